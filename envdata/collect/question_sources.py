"""Lists of questions, loaded from the source that a string names.

    word-problems?count=48&seed=1&skip=0                      the generator of this package
    questions.jsonl, .json, .csv, .tsv, .parquet              files with a row a question; texts also as .gz
    hf:NAME?split=test&config=main                            a Hugging Face dataset, or a local folder of one
    reasoning-gym:TASK?seed=1&size=48&skip=0                  a task of the package reasoning-gym, with its own settings

Files and datasets take `question=`, `answer=`, `prompt=` and `family=` (names of columns), `after=` (the text in its
column that the reference answer follows, such as ####), `skip=` and `limit=`. A row's prompt is the whole text that the
model continues; for a row without one it is the template, in which `{question}` stands for the question.
"""

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from envdata.answers import UNPARSED
from envdata.collect.question_files import Row, rows_of
from envdata.collect.questions import DEFAULT_TEMPLATE, GENERATOR, Question, QuestionError
from envdata.collect.word_problems import word_problems
from envdata.printable import escaped, first_line
from envdata.table_columns import number_text

COLUMNS = {"question": ("question", "problem"), "answer": ("answer",), "prompt": ("prompt",), "family": ("family",)}
"""Names that each column may have where none is given."""
NEEDED = ("question", "answer")
"""Columns that every source must have."""
DRAWS_A_QUESTION = 20
"""Draws from a generator for each wanted question, after which it is taken to have no more distinct ones."""


@dataclass(frozen=True)
class _Options:
    """Options in a source's query."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of columns by their content, where given."""
    after: str = ""
    """Text that the reference answer follows within its column."""
    skip: int = 0
    limit: int | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    """Options of this kind of source alone."""


def load_questions(spec: str, template: str = DEFAULT_TEMPLATE, *, dedupe: bool = False) -> list[Question]:
    """Return the questions of a source, in order.

    Args:
        spec: The source, in a form of the module's list.
        template: The prompt of questions without one; `{question}` in it stands for the question.
        dedupe: Whether a repeated question with the same answer is left out rather than an error.

    Raises:
        QuestionError: The source cannot be used, or a question repeats or has no answer.
    """
    if "{question}" not in template:
        raise QuestionError(
            f"the template {template[:60]!r} has no {{question}} in it, so every prompt would be the same"
        )
    name, _, query = spec.partition("?")
    questions = _generated(spec, query) if name == GENERATOR else _load(spec, template)
    seen: dict[str, int] = {}
    for number, question in enumerate(questions):
        if question.text in seen:
            first = seen[question.text]
            again = f"{spec}: question {number} repeats question {first}: {question.text[:60]!r}"
            if questions[first].answer != question.answer:
                raise QuestionError(
                    f"{again} with another answer, {question.answer[:60]!r} where there was "
                    f"{questions[first].answer[:60]!r}; correct one of them"
                )
            if dedupe:
                continue
            raise QuestionError(f"{again}; a grid holds a question once, and --dedupe leaves out the others")
        # "No" can be a question's answer; the answer rule decides whether it is read as one.
        if question.answer.strip() in UNPARSED - {"No"}:
            raise QuestionError(
                f"{question.where or spec}: the answer of question {number} is {question.answer!r}, which marks the "
                f"absence of an answer ({', '.join(sorted(UNPARSED - {'', 'No'}))} or nothing); spell it in another way"
            )
        seen[question.text] = number
    if not questions:
        raise QuestionError(f"{spec}: holds no question")
    return [questions[number] for number in seen.values()]


def source_name(spec: str) -> str:
    """Return the source as a grid's provenance names it, without the local folders of its path.

    The questions themselves are identified by their hash (`envdata.collect.questions.fingerprint`).
    """
    scheme, colon, rest = spec.partition(":")
    if spec.startswith(f"{GENERATOR}?") or scheme == "reasoning-gym":
        return spec
    name, question_mark, query = rest.partition("?") if scheme == "hf" and colon else spec.partition("?")
    local = Path(name).exists() or not (scheme == "hf" and colon)
    named = ("hf:" if scheme == "hf" and colon else "") + (Path(name).name if local else name) + question_mark + query
    # A file's name may hold bytes that are not text.
    return named.encode("utf-8", "replace").decode("utf-8")


def _load(spec: str, template: str) -> list[Question]:
    """Return the questions of a file, a dataset or a task. Raises QuestionError."""
    scheme, colon, rest = spec.partition(":")
    if colon and scheme == "hf":
        name, options = _parsed(spec, rest, ("split", "config", "revision"))
        return _questions(_dataset_rows(spec, name, options), options, template)
    if colon and scheme == "reasoning-gym":
        return _gym(spec, rest, template)
    # A file may have a question mark in its name.
    name, options = (spec, _Options()) if Path(spec).is_file() else _parsed(spec, spec, ())
    return _questions(rows_of(Path(name)), options, template)


def _parsed(spec: str, text: str, more: tuple[str, ...]) -> tuple[str, _Options]:
    """Return the name and the options of a source, `more` being the options of its kind. Raises QuestionError."""
    name, _, query = text.partition("?")
    values = dict(parse_qsl(query, keep_blank_values=True))
    known = (*COLUMNS, "after", "skip", "limit", *more)
    for key, value in values.items():
        if key not in known or not value:
            raise QuestionError(f"{spec}: {key}={value} is not one of {', '.join(f'{each}=…' for each in known)}")
    return name, _Options(
        {key: value for key, value in values.items() if key in COLUMNS},
        values.get("after", ""),
        _whole(spec, "skip", values.get("skip", "0")),
        _whole(spec, "limit", values["limit"]) if "limit" in values else None,
        {key: value for key, value in values.items() if key in more},
    )


def _whole(spec: str, name: str, value: str) -> int:
    """Return an option's value as a whole number. Raises QuestionError."""
    if not value.isdecimal():
        raise QuestionError(f"{spec}: {name}={value} is not a whole number from 0 up")
    return int(value)


def _questions(rows: Iterable[Row], options: _Options, template: str) -> list[Question]:
    """Return the questions of rows, within the options' range."""
    last = None if options.limit is None else options.skip + options.limit
    return [_question(where, row, options, template) for where, row in islice(rows, options.skip, last)]


def _question(where: str, row: Mapping[str, Any], options: _Options, template: str) -> Question:
    """Return the question of one row. Raises QuestionError."""
    columns = {what: _column(where, row, what, options) for what in COLUMNS}
    text = _value(where, row, columns["question"])
    if not isinstance(text, str) or not text.strip():
        raise QuestionError(f"{where}, column {columns['question']!r}: {text!r} is not a text")
    answer = _answer(f"{where}, column {columns['answer']!r}", _value(where, row, columns["answer"]), options.after)
    # Not str.format: examples in a template may hold braces of their own.
    prompt = _value(where, row, columns["prompt"])
    if prompt is not None and not isinstance(prompt, str):
        raise QuestionError(f"{where}, column {columns['prompt']!r}: {prompt!r} is not a text")
    family = _value(where, row, columns["family"])
    prompt = template.replace("{question}", text) if prompt is None else prompt
    return Question(text, answer, prompt, None if family is None else str(family), where)


def _column(where: str, row: Mapping[str, Any], what: str, options: _Options) -> str | None:
    """Return the name of the column for `what`, None for an absent optional one. Raises QuestionError."""
    named = options.columns.get(what)
    column = next((name for name in ([named] if named else COLUMNS[what]) if name in row), None)
    if column is None and not named:
        alike = [name for name in row if name.strip().lower() in COLUMNS[what]]
        column = alike[0] if len(alike) == 1 else None
    if column is None and (named or what in NEEDED):
        has = escaped(", ".join(map(repr, row))) or "none"
        raise QuestionError(
            f"{where}: there is no column {named or what!r}; the columns are {has}, and …?{what}=COLUMN names another"
        )
    return column


def _value(where: str, row: Mapping[str, Any], column: str | None) -> Any:
    """Return a value of a row, as text where the file holds bytes."""
    value = None if column is None else row[column]
    if not isinstance(value, bytes):
        return value
    # fastparquet and Spark may write texts without Parquet's mark for texts.
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise QuestionError(f"{where}, column {column!r}: {value!r:.60} is not UTF-8 text") from None


def _answer(where: str, value: Any, after: str) -> str:
    """Return the reference answer in a value. Raises QuestionError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal) or value != value:
        raise QuestionError(f"{where}: {value!r:.80} is not a text or a number")
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise QuestionError(f"{where}: {value} is not a number that can be an answer")
    text = value if isinstance(value, str) else number_text(value)
    if after:
        _, separator, text = text.rpartition(after)
        if not separator:
            raise QuestionError(f"{where}: {value!r:.80} does not hold {after!r}, which the answer is to stand after")
    return text.strip()


def _dataset_rows(spec: str, name: str, options: _Options) -> Iterator[Row]:
    """Yield the rows of a Hugging Face dataset. Raises QuestionError."""
    try:
        import datasets
    except ImportError as error:
        raise QuestionError(f"{spec}: needs the package datasets ({error}); pip install 'autotts[questions]'") from None
    split = options.more.get("split")
    try:
        dataset = datasets.load_dataset(
            name, options.more.get("config"), split=split, revision=options.more.get("revision")
        )
    # The package has no common class of errors.
    except Exception as error:
        raise QuestionError(f"{spec}: cannot be loaded ({type(error).__name__}: {first_line(error)})") from None
    if isinstance(dataset, Mapping):
        if len(dataset) != 1:
            raise QuestionError(
                f"{spec}: has the splits {', '.join(dataset)}; name one as …?split={next(iter(dataset))}"
            )
        split, dataset = next(iter(dataset.items()))
    for number, record in enumerate(dataset):
        yield f"{spec}, row {number}", record


def _gym(spec: str, text: str, template: str) -> list[Question]:
    """Return questions of a reasoning-gym task. Raises QuestionError."""
    task, _, query = text.partition("?")
    given = {key: _literal(value) for key, value in parse_qsl(query, keep_blank_values=True)}
    size, skip = given.pop("size", 48), given.pop("skip", 0)
    for name, number, least in (("size", size, 1), ("skip", skip, 0)):
        if type(number) is not int or number < least:
            raise QuestionError(f"{spec}: {name}={number} is not a whole number from {least} up")
    most = DRAWS_A_QUESTION * (skip + size)
    with warnings.catch_warnings():
        # These warnings concern packages that reasoning-gym requires.
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            import reasoning_gym
        except ImportError as error:
            raise QuestionError(
                f"{spec}: needs the package reasoning-gym ({error}); pip install 'autotts[gym]'"
            ) from None
    try:
        drawn = reasoning_gym.create_dataset(task, **{"seed": 0, **given, "size": most})
        rows = (drawn[number] for number in range(most))
        return _distinct(spec, rows, skip, size, template)
    except QuestionError:
        raise
    # A task's assertions refuse settings out of range, its constructor unknown ones.
    except Exception as error:
        raise QuestionError(f"{spec}: reasoning-gym refuses it ({type(error).__name__}: {first_line(error)})") from None


def _distinct(spec: str, rows: Iterable[Mapping[str, Any]], skip: int, size: int, template: str) -> list[Question]:
    """Return distinct questions number `skip` to `skip + size - 1`; small tasks repeat themselves.

    Two ranges of one seed that do not overlap are therefore disjoint sets.
    """
    seen: dict[str, Question] = {}
    for number, row in enumerate(rows):
        question = _question(f"{spec}, question {number}", row, _Options(), template)
        seen.setdefault(question.text, question)
        if len(seen) == skip + size:
            return list(seen.values())[skip:]
    raise QuestionError(f"{spec}: only {len(seen)} distinct questions were found; ask for fewer, or for harder ones")


def _literal(value: str) -> Any:
    """Return a setting as a number, true, false or a list where it is one in JSON, else as text."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _generated(spec: str, query: str) -> list[Question]:
    """Return generated word problems. Raises QuestionError."""
    values = {"count": 48, "seed": 0, "skip": 0}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in values or not value.isdecimal():
            raise QuestionError(f"{spec}: {key}={value} is not one of {', '.join(f'{k}=N' for k in values)}")
        values[key] = int(value)
    try:
        return word_problems(**values)
    except ValueError as error:
        raise QuestionError(f"{spec}: {error}") from None
