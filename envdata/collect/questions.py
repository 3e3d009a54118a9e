"""Where questions come from.

A source is named by one string: the path of a JSONL file, or `word-problems?count=48&seed=1&skip=0` for the generator.
A JSONL line is an object with `question` and `answer`, and optionally `prompt`, the whole text the model continues; a
question without one gets a template's (`DEFAULT_TEMPLATE` or a file's), in which `{question}` stands for its text.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from envdata.answers import UNPARSED, is_parsed

DEFAULT_TEMPLATE = "Problem: {question}\nReasoning:"
GENERATOR = "word-problems"


class QuestionError(ValueError):
    """A question source cannot be used; the message names the source, the line and what is wrong."""


@dataclass(frozen=True)
class Question:
    """One task for the model."""

    text: str
    """The question as it stands in the grid."""
    answer: str
    """The reference answer, spelt as the answer rule spells answers."""
    prompt: str
    """The whole text that the model continues: examples, the question and the start of the reasoning."""
    family: str | None = None
    """The kind of question, where its source knows kinds."""


def load_questions(spec: str, template: str = DEFAULT_TEMPLATE) -> list[Question]:
    """Give the questions that `spec` names, in order; raises QuestionError."""
    name, _, query = spec.partition("?")
    questions = _generated(spec, query) if name == GENERATOR else _from_jsonl(Path(spec), template)
    seen: dict[str, int] = {}
    for number, question in enumerate(questions):
        if question.text in seen:
            raise QuestionError(
                f"{spec}: question {number} repeats question {seen[question.text]}: {question.text[:60]!r}; "
                "a grid holds a question once"
            )
        if not is_parsed(question.answer):
            raise QuestionError(
                f"{spec}: the answer of question {number} is {question.answer!r}, which marks the absence of an answer "
                f"({', '.join(sorted(UNPARSED - {''}))} or nothing); spell it in another way"
            )
        seen[question.text] = number
    if not questions:
        raise QuestionError(f"{spec}: holds no question")
    return questions


def fingerprint(questions: Sequence[Question]) -> str:
    """SHA-256 of the questions with their answers and prompts, in hexadecimal: equal for equal lists only."""
    listed = json.dumps([astuple(question) for question in questions], ensure_ascii=False)
    return hashlib.sha256(listed.encode()).hexdigest()


def _generated(spec: str, query: str) -> list[Question]:
    from envdata.collect.word_problems import word_problems

    values = {"count": 48, "seed": 0, "skip": 0}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in values or not value.isdecimal():
            raise QuestionError(f"{spec}: {key}={value} is not one of {', '.join(f'{k}=N' for k in values)}")
        values[key] = int(value)
    try:
        return word_problems(**values)
    except ValueError as error:
        raise QuestionError(f"{spec}: {error}") from None


def _from_jsonl(path: Path, template: str) -> list[Question]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise QuestionError(
            f"{path}: cannot be read ({reason}); give a JSONL file, or {GENERATOR}?count=48&seed=1"
        ) from None
    if "{question}" not in template:
        raise QuestionError(
            f"the template {template[:60]!r} has no {{question}} in it, so every prompt would be the same"
        )
    return [_from_line(line, f"{path}, line {n}", template) for n, line in enumerate(lines, 1) if line.strip()]


def _from_line(line: str, where: str, template: str) -> Question:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise QuestionError(f"{where}: is not JSON ({error})") from None
    if not isinstance(record, dict):
        raise QuestionError(f"{where}: is not an object with 'question' and 'answer'")
    text, answer = record.get("question"), record.get("answer")
    if not isinstance(text, str) or not text.strip():
        raise QuestionError(f"{where}: 'question' is {text!r}, not a text")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        raise QuestionError(f"{where}: 'answer' is {answer!r}, not a text or a number")
    # Not str.format: examples in a template may hold braces of their own.
    prompt = record.get("prompt", template.replace("{question}", text))
    if not isinstance(prompt, str):
        raise QuestionError(f"{where}: 'prompt' is {prompt!r}, not a text")
    family = record.get("family")
    return Question(text, str(answer), prompt, family if isinstance(family, str) else None)
