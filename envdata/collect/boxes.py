r"""Boxed answers of a text.

The last box counts, `\boxed`, `\fbox` or `\framebox`, with or without a space or braces. A box that is empty or holds a
placeholder (`\boxed{}`, `\boxed{answer}`) repeats the instruction and counts only if no other box is there.
"""

import re
from dataclasses import dataclass

BOXED = "\\boxed{"
"""The marker of boxed answers."""

_COMMAND = re.compile(r"\\(?:[bB]oxed|fbox|framebox|bbox)(?![A-Za-z])\s*(?:\[[^\[\]{}]{0,80}\]\s*(?=\{))?")
_BARE = re.compile(r"(?:\\[A-Za-z]+(?:\s*\{[^{}]*\})*|[^\s$\\{}])+")
_PLACEHOLDER = re.compile(
    r"(?:\\text(?:bf|it|rm)?\s*\{|<|\[)?\s*(?:(?:your|the|final|numerical|numeric|correct)\s+)*"
    r"(?:answer|result|solution)(?:\s+(?:here|goes here))?\s*(?:\}|>|\])?"
    r"|(?:your_|final_)?answer_(?:goes_)?here|(?:your_|final_)answer|#+|(?:\\#)+|\?+|(?:\\[,;:! ]|\\|~)+"
    r"|\\ldots|\\dots|\\cdots|\.\.\.+|…|\\cdot|_+|\\square|\\text\s*\{\s*\}|-",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Box:
    """The content of a box, as character offsets."""

    start: int
    end: int
    closed: bool
    """Whether the box is closed, so that a text that goes on adds nothing to it."""

    def holds(self, text: str) -> str:
        """Return the content."""
        return text[self.start : self.end].strip()


def last_box(text: str) -> Box | None:
    """Return the box that counts in a text that goes on no further; None if there is none."""
    found = boxes(text)
    return next((box for box in reversed(found) if is_filled(box, text)), found[-1] if found else None)


def is_filled(box: Box, text: str) -> bool:
    """Return whether a box holds more than a placeholder."""
    inside = box.holds(text)
    return bool(inside) and _PLACEHOLDER.fullmatch(inside) is None


def boxes(text: str) -> list[Box]:
    """Return all boxes of a text, in order; a box within a box is a part of it."""
    found: list[Box] = []
    for command in _COMMAND.finditer(text):
        start = command.end()
        if found and start <= found[-1].end and found[-1].closed:
            continue
        if text[start : start + 1] == "{":
            end = closing_brace(text, start + 1)
            found.append(Box(start + 1, len(text) if end is None else end, end is not None))
            continue
        bare = _BARE.match(text, start)
        if bare:
            end = start + len(bare.group().rstrip(".,;:!?"))
            found.append(Box(start, end, bare.end() < len(text)))
    return found


def closing_brace(text: str, start: int) -> int | None:
    r"""Return the offset of the brace that closes the one open before `start`; None if nothing closes it.

    A brace that LaTeX prints (`\{`) does not group; after a row break (`\\{`) it does.
    """
    depth, place = 1, start
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
        place += 1
    return None
