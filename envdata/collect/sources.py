"""Questions from files, Hugging Face datasets and reasoning-gym, as `envdata.collect.questions` names them."""

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.parquet as pq

from envdata.collect.questions import GENERATOR, Question, QuestionError

FORMS = f"a JSONL or Parquet file, hf:NAME, reasoning-gym:TASK or {GENERATOR}?count=48&seed=1"
COLUMNS = {"question": ("question", "problem"), "answer": ("answer",), "prompt": ("prompt",), "family": ("family",)}
"""What each column may be called where its name is not given."""
NEEDED = ("question", "answer")
DRAWS_A_QUESTION = 20
"""A generator that has not given a new question after so many draws for each wanted one has no more."""


@dataclass(frozen=True)
class _Options:
    """What a source's query says of the rows."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of columns by what they hold, where given."""
    after: str = ""
    skip: int = 0
    limit: int | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    """What only this kind of source understands."""


def load(spec: str, template: str) -> list[Question]:
    """Give the questions of a file, a dataset or a task; raises QuestionError."""
    scheme, colon, rest = spec.partition(":")
    if colon and scheme == "hf":
        name, options = _parsed(spec, rest, ("split", "config", "revision"))
        return _questions(_dataset_rows(spec, name, options), options, template)
    if colon and scheme == "reasoning-gym":
        return _gym(spec, rest, template)
    # A file may have a question mark in its name.
    name, options = (spec, _Options()) if Path(spec).is_file() else _parsed(spec, spec, ())
    rows = _parquet_rows(Path(name)) if name.endswith(".parquet") else _jsonl_rows(Path(name))
    return _questions(rows, options, template)


def _parsed(spec: str, text: str, more: tuple[str, ...]) -> tuple[str, _Options]:
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
    if not value.isdecimal():
        raise QuestionError(f"{spec}: {name}={value} is not a whole number from 0 up")
    return int(value)


Row = tuple[str, Mapping[str, Any]]
"""Where a row stands, in words, and its values by column."""


def _questions(rows: Iterable[Row], options: _Options, template: str) -> list[Question]:
    last = None if options.limit is None else options.skip + options.limit
    return [_question(where, row, options, template) for where, row in islice(rows, options.skip, last)]


def _question(where: str, row: Mapping[str, Any], options: _Options, template: str) -> Question:
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
    return Question(text, answer, prompt, None if family is None else str(family))


def _column(where: str, row: Mapping[str, Any], what: str, options: _Options) -> str | None:
    named = options.columns.get(what)
    found = next((name for name in ([named] if named else COLUMNS[what]) if name in row), None)
    if found is None and (named or what in NEEDED):
        has = ", ".join(map(repr, row)) or "none"
        raise QuestionError(
            f"{where}: there is no column {named or what!r}; the columns are {has}, and …?{what}=COLUMN names another"
        )
    return found


def _value(where: str, row: Mapping[str, Any], column: str | None) -> Any:
    return None if column is None else row[column]


def _answer(where: str, value: Any, after: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
        raise QuestionError(f"{where}: {value!r} is not a text or a number")
    # A table of numbers gives whole ones as 7.0, which nobody would write as an answer.
    text = str(int(value)) if isinstance(value, float) and math.isfinite(value) and value == int(value) else str(value)
    if after:
        _, found, text = text.rpartition(after)
        if not found:
            raise QuestionError(f"{where}: {value!r:.80} does not hold {after!r}, which the answer is to stand after")
    return text.strip()


def _jsonl_rows(path: Path) -> Iterator[Row]:
    try:
        # Not splitlines: JSON may hold other line ends, such as U+2028, inside its texts.
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise QuestionError(f"{path}: cannot be read ({reason}); give {FORMS}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                record = json.loads(line)
            except ValueError as error:
                raise QuestionError(f"{where}: is not JSON ({error})") from None
            if not isinstance(record, dict):
                raise QuestionError(f"{where}: is not an object with 'question' and 'answer'")
            yield where, record


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        table = pq.ParquetFile(path)
        number = 0
        for batch in table.iter_batches():
            for record in batch.to_pylist():
                yield f"{path}, row {number}", record
                number += 1
    except OSError as error:
        raise QuestionError(f"{path}: cannot be read ({error.strerror or error}); give {FORMS}") from None
    except pa.ArrowException as error:
        raise QuestionError(f"{path}: is not a readable Parquet file ({_first_line(error)})") from None


def _dataset_rows(spec: str, name: str, options: _Options) -> Iterator[Row]:
    try:
        import datasets
    except ImportError as error:
        raise QuestionError(f"{spec}: needs the package datasets ({error}); pip install 'autotts[questions]'") from None
    split = options.more.get("split")
    try:
        found = datasets.load_dataset(
            name, options.more.get("config"), split=split, revision=options.more.get("revision")
        )
    # The package raises what its many parts raise; the text is what helps.
    except Exception as error:
        raise QuestionError(f"{spec}: cannot be loaded ({type(error).__name__}: {_first_line(error)})") from None
    if isinstance(found, Mapping):
        if len(found) != 1:
            raise QuestionError(f"{spec}: has the splits {', '.join(found)}; name one as …?split={next(iter(found))}")
        split, found = next(iter(found.items()))
    for number, record in enumerate(found):
        yield f"{spec}, row {number}", record


def _gym(spec: str, text: str, template: str) -> list[Question]:
    task, _, query = text.partition("?")
    given = {key: _literal(value) for key, value in parse_qsl(query, keep_blank_values=True)}
    size, skip = given.pop("size", 48), given.pop("skip", 0)
    for name, number, least in (("size", size, 1), ("skip", skip, 0)):
        if type(number) is not int or number < least:
            raise QuestionError(f"{spec}: {name}={number} is not a whole number from {least} up")
    most = DRAWS_A_QUESTION * (skip + size)
    with warnings.catch_warnings():
        # Of packages that it brings along, and of interest to nobody here.
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
    # Settings out of a task's range are met by its assertions, unknown ones by its constructor.
    except Exception as error:
        raise QuestionError(
            f"{spec}: reasoning-gym refuses it ({type(error).__name__}: {_first_line(error)})"
        ) from None


def _distinct(spec: str, rows: Iterable[Mapping[str, Any]], skip: int, size: int, template: str) -> list[Question]:
    """Distinct questions number `skip` to `skip + size - 1`: small tasks repeat themselves, and a grid may not.

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
    """A setting as typed: a number, true, false or a list where it is one, else a text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "no reason given")
