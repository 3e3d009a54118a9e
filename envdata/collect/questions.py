"""Questions to collect branches of, and errors of their sources."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

DEFAULT_TEMPLATE = "Problem: {question}\nReasoning:"
"""Template of a prompt where no other is given."""
GENERATOR = "word-problems"
"""Name of the source that generates word problems."""
FORMS = f"a JSONL, CSV or Parquet file, hf:NAME, reasoning-gym:TASK or {GENERATOR}?count=48&seed=1"
"""Kinds of sources, for error messages."""


class QuestionError(ValueError):
    """A question source cannot be used; the message names the source, the row, the column and the fault."""


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
    """The kind of question, where its source has kinds."""
    where: str = field(default="", compare=False)
    """File and line, or source and row, for error messages."""


def fingerprint(questions: Sequence[Question]) -> str:
    """Return the SHA-256, in hexadecimal, of questions with their answers, prompts and families."""
    listed = json.dumps([[each.text, each.answer, each.prompt, each.family] for each in questions], ensure_ascii=False)
    return hashlib.sha256(listed.encode()).hexdigest()
