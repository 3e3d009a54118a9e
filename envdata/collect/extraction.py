"""Finding the answer in a model's text, and how sure the model was of it.

An answer stands on the line after a marker ("Answer:"). Equal answers must come out as equal strings, because voting
compares strings and nothing else: a number is written without separators, units and trailing zeros.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

Kind = Literal["number", "text"]
NO_ANSWER = ""

_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


@dataclass(frozen=True)
class Found:
    """An answer and where it stands in the text, as character offsets."""

    answer: str
    start: int
    end: int


@dataclass(frozen=True)
class Token:
    """One decoded token's place in a text, as character offsets, and its log-probability."""

    start: int
    end: int
    logprob: float


@dataclass(frozen=True)
class AnswerRule:
    """How answers are found: `kind` "number" takes the first number of the line, "text" the line as it is, trimmed."""

    marker: str
    kind: Kind = "number"

    def __post_init__(self) -> None:
        if not self.marker.strip():
            raise ValueError("the marker is empty; name the text that an answer follows, such as 'Answer:'")
        if self.kind not in get_args(Kind):
            raise ValueError(f"answers of kind {self.kind!r} are not known; take one of {', '.join(get_args(Kind))}")

    def line(self, text: str) -> tuple[int, int, bool] | None:
        """Give start and end of the line after the last marker, and whether a line end closes it; None without one."""
        at = text.rfind(self.marker)
        if at < 0:
            return None
        start = at + len(self.marker)
        end = text.find("\n", start)
        return (start, len(text), False) if end < 0 else (start, end, True)

    def find(self, text: str) -> Found | None:
        """Give the answer in `text`, or None if there is none."""
        line = self.line(text)
        if line is None:
            return None
        start, end, _ = line
        if self.kind == "number":
            match = _NUMBER.search(text, start, end)
            return match and Found(_plain(match.group()), *match.span())
        answer = text[start:end].strip()
        return Found(answer, at := text.index(answer, start), at + len(answer)) if answer else None

    def answer(self, text: str) -> str:
        """Give the answer in `text`, `NO_ANSWER` if there is none."""
        found = self.find(text)
        return found.answer if found else NO_ANSWER


def mean_logprob(tokens: Sequence[Token], start: int, end: int) -> float:
    """Mean log-probability of the tokens that write characters `start` to `end`; of all of them if none does.

    0.0 for no tokens at all.
    """
    inside = [token.logprob for token in tokens if token.start < end and token.end > start]
    values = inside or [token.logprob for token in tokens]
    return sum(values) / len(values) if values else 0.0


def shifted(tokens: Iterable[Token], by: int) -> list[Token]:
    """Give the tokens as they stand in a text that has `by` more characters in front."""
    return [Token(token.start + by, token.end + by, token.logprob) for token in tokens]


def _plain(number: str) -> str:
    value = Decimal(number.replace(",", ""))
    whole = value.to_integral_value()
    if value == whole:
        return str(int(whole))
    return f"{value:f}".rstrip("0")
