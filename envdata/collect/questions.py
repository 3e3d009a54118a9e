"""Questions, and the list of them that a source's name stands for.

A source is named by one string (`envdata.collect.sources` reads all but the first):

    word-problems?count=48&seed=1&skip=0                      the generator of this package
    questions.jsonl, questions.parquet                        files with a row a question
    hf:NAME?split=test&config=main                            a Hugging Face dataset, or a local folder of one
    reasoning-gym:TASK?seed=1&size=48&skip=0                  a task of the package reasoning-gym, with its own settings

Files and datasets take `question=`, `answer=`, `prompt=` and `family=` (names of columns), `after=` (what the reference
answer stands after within its column, such as ####), `skip=` and `limit=`. A row's prompt is the whole text that the
model continues; a row without one gets a template's, in which `{question}` stands for its text.
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
    """A question source cannot be used; the message names the source, the row, the column and what is wrong."""


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
    from envdata.collect import sources

    if "{question}" not in template:
        raise QuestionError(
            f"the template {template[:60]!r} has no {{question}} in it, so every prompt would be the same"
        )
    name, _, query = spec.partition("?")
    questions = _generated(spec, query) if name == GENERATOR else sources.load(spec, template)
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


def source_name(spec: str) -> str:
    """The source as a grid's provenance names it: without the folders of this machine that it lies in.

    Which questions they were, their own hash says (`fingerprint`).
    """
    scheme, colon, rest = spec.partition(":")
    if spec.startswith(f"{GENERATOR}?") or scheme == "reasoning-gym":
        return spec
    name, question_mark, query = rest.partition("?") if scheme == "hf" and colon else spec.partition("?")
    local = Path(name).exists() or not (scheme == "hf" and colon)
    return ("hf:" if scheme == "hf" and colon else "") + (Path(name).name if local else name) + question_mark + query


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
