r"""Extraction of the answer from a model's text, and the model's confidence in it.

An answer follows a marker: on the rest of its line ("Answer:"), or, where the marker opens a brace ("\boxed{"), up to
the brace that closes it. The extracted answer is the model's own text; equal answers get one spelling afterwards, over
all answers of a question (`envdata.collect.canonical_answers`), because voting compares strings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from envdata.answers import NO_ANSWER, is_parsed
from envdata.collect.answer_rules import EXACT, MATH, finder
from envdata.collect.boxes import BOXED, boxes, closing_brace, is_filled, last_box

__all__ = ["BOXED", "AnswerRule", "FoundAnswer", "Token", "mean_logprob", "shifted"]


@dataclass(frozen=True)
class FoundAnswer:
    """An answer and its place in the text, as character offsets."""

    answer: str
    start: int
    end: int


@dataclass(frozen=True)
class Token:
    """The place of one decoded token in a text, as character offsets, and its log-probability."""

    start: int
    end: int
    logprob: float | None
    """None where the engine gave no finite number."""
    confidence: float | None = None
    """−mean log-probability of the k most probable tokens at its place; None where they were not asked for."""


@dataclass(frozen=True)
class AnswerRule:
    """Rule by which answers are found and compared.

    Kind "math" takes everything after the marker and compares it by its mathematical meaning; where the marker is
    absent, the last box is taken (`envdata.collect.boxes`). "number" takes the first number there (`equality.numbers`),
    "choice" the letter, or yes or no (`equality.choices`). "exact" takes the text as it is, trimmed. Other packages may
    register more (`envdata.collect.answer_rules`).
    """

    marker: str
    """Text that an answer follows."""
    kind: str = "number"

    def __post_init__(self) -> None:
        if not self.marker.strip():
            raise ValueError("the marker is empty; name the text that an answer follows, such as 'Answer:'")
        finder(self.kind)

    @classmethod
    def after(cls, closing: str, kind: str) -> "AnswerRule":
        r"""Return the rule for answers that follow `closing`: its \boxed{ or its last line is the marker.

        Args:
            closing: The text that makes a cut trace answer.
            kind: The kind of answers.
        """
        lines = closing.strip().splitlines()
        marker = BOXED if closing.rstrip().endswith(BOXED) else lines[-1] if lines else ""
        return cls(marker, kind)

    def line(self, text: str) -> tuple[int, int, bool] | None:
        """Return start and end of the text after the last marker, and whether it is closed; None without a marker.

        It is closed by the end of the line, or by the marker's own brace. A box that is open at the text's end takes
        precedence, since the text may go on in it; then a filled box does before an empty one.
        """
        if self.marker == BOXED:
            every = boxes(text)
            if not every:
                return None
            box = every[-1] if not every[-1].closed else last_box(text) or every[-1]
            return box.start, box.end, box.closed
        return _last(text, self.marker)

    def find(self, text: str) -> FoundAnswer | None:
        """Return the answer in `text` with its place, or None if there is none."""
        line = None if self.marker == BOXED else _last(text, self.marker)
        if line is None and (self.marker == BOXED or self.kind == MATH):
            box = last_box(text)
            line = (box.start, box.end, box.closed) if box and is_filled(box, text) else None
        if line is None:
            return None
        start, end, _ = line
        found = finder(self.kind)(text[start:end])
        return found and FoundAnswer(found[0], found[1] + start, found[2] + start)

    def read(self, text: str) -> str:
        """Return an answer that stands alone, such as a box's content, as it is compared; `NO_ANSWER` if it is none."""
        text = text.strip()
        if self.kind == EXACT:
            return text if is_parsed(text) else NO_ANSWER
        box = last_box(text)
        if box is not None:
            text = box.holds(text) if is_filled(box, text) else ""
        if self.kind == MATH:
            return text
        found = finder(self.kind)(text)
        return found[0] if found else NO_ANSWER

    def gold(self, text: str) -> str:
        """Return a reference answer as it is compared: it is read as any answer is."""
        return self.read(text)

    def answer(self, text: str) -> str:
        """Return the answer in `text`, `NO_ANSWER` if there is none."""
        found = self.find(text)
        return found.answer if found else NO_ANSWER


def mean_logprob(tokens: Sequence[Token], start: int, end: int) -> float | None:
    """Return the mean log-probability of the tokens that write a part of a text, of all tokens if none writes it.

    None without tokens, and where one of them has no log-probability: the mean of the others would be another answer's.

    Args:
        tokens: The tokens of the text.
        start: First character of the part.
        end: End of the part, as a character offset.
    """
    inside = [token.logprob for token in tokens if token.start < end and token.end > start]
    values = inside or [token.logprob for token in tokens]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def shifted(tokens: Iterable[Token], by: int) -> list[Token]:
    """Return the tokens as they stand in a text that has `by` more characters in front."""
    return [Token(token.start + by, token.end + by, token.logprob, token.confidence) for token in tokens]


def _last(text: str, marker: str) -> tuple[int, int, bool] | None:
    """Return start and end of the text after the last `marker`, and whether it is closed; None without a marker."""
    at = text.rfind(marker)
    if at < 0:
        return None
    start = at + len(marker)
    if not marker.endswith("{"):
        end = text.find("\n", start)
        return (start, len(text), False) if end < 0 else (start, end, True)
    closed = closing_brace(text, start)
    return (start, len(text), False) if closed is None else (start, closed, True)
