"""Finding the answer in a model's text, and how sure the model was of it.

An answer stands after a marker: on the rest of its line ("Answer:"), or, where the marker opens a brace ("\\boxed{"),
up to the brace that closes it. What is found here is what the model wrote; equal answers get one spelling afterwards,
over all answers of a question (`envdata.collect.spelling`), because voting compares strings and nothing else.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

Kind = Literal["math", "number", "exact"]
NO_ANSWER = ""
BOXED = "\\boxed{"

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
    """How answers are found and compared.

    Kind "math" takes all that stands after the marker and compares it by its mathematical meaning; where the marker is
    absent, the last \\boxed{…} serves. "number" takes the first number there, written without separators and trailing
    zeros. "exact" takes the text as it is, trimmed.
    """

    marker: str
    kind: Kind = "number"

    def __post_init__(self) -> None:
        if not self.marker.strip():
            raise ValueError("the marker is empty; name the text that an answer follows, such as 'Answer:'")
        if self.kind not in get_args(Kind):
            raise ValueError(f"answers of kind {self.kind!r} are not known; take one of {', '.join(get_args(Kind))}")

    @classmethod
    def after(cls, closing: str, kind: Kind) -> "AnswerRule":
        """The rule for what is made to answer by `closing`: its \\boxed{ or its last line is the marker."""
        lines = closing.strip().splitlines()
        marker = BOXED if closing.rstrip().endswith(BOXED) else lines[-1] if lines else ""
        return cls(marker, kind)

    def line(self, text: str) -> tuple[int, int, bool] | None:
        """Give start and end of what stands after the last marker, and whether it is closed; None without a marker.

        It is closed by the end of the line, or by the marker's own brace.
        """
        return _last(text, self.marker)

    def find(self, text: str) -> Found | None:
        """Give the answer in `text`, or None if there is none."""
        line = self.line(text)
        if line is None and self.kind == "math":
            line = _last(text, BOXED)
        if line is None:
            return None
        start, end, _ = line
        if self.kind == "number":
            match = _NUMBER.search(text, start, end)
            return match and Found(plain_number(match.group()), *match.span())
        answer = text[start:end].strip()
        return Found(answer, at := text.index(answer, start), at + len(answer)) if answer else None

    def answer(self, text: str) -> str:
        """Give the answer in `text`, `NO_ANSWER` if there is none."""
        found = self.find(text)
        return found.answer if found else NO_ANSWER

    def gold(self, text: str) -> str:
        """Give a reference answer as it is compared: text itself, or what its last \\boxed{…} holds."""
        if self.kind == "number":
            whole = _NUMBER.fullmatch(text.strip())
            return plain_number(whole.group()) if whole else text.strip()
        boxed = _last(text, BOXED) if self.kind == "math" else None
        return text[boxed[0] : boxed[1]].strip() if boxed else text.strip()


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


def plain_number(number: str) -> str:
    """A decimal number without separators, leading and trailing zeros."""
    value = Decimal(number.replace(",", ""))
    whole = value.to_integral_value()
    if value == whole:
        return str(int(whole))
    return f"{value:f}".rstrip("0")


def _last(text: str, marker: str) -> tuple[int, int, bool] | None:
    """Where what stands after the last `marker` starts and ends, and whether it is closed."""
    at = text.rfind(marker)
    if at < 0:
        return None
    start = at + len(marker)
    if not marker.endswith("{"):
        end = text.find("\n", start)
        return (start, len(text), False) if end < 0 else (start, end, True)
    depth = 1
    for place in range(start, len(text)):
        # A brace that LaTeX is to print is no grouping.
        if text[place] in "{}" and text[place - 1] != "\\":
            depth += 1 if text[place] == "{" else -1
            if depth == 0:
                return start, place, True
    return start, len(text), False
