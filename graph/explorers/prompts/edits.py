"""Changes of a controller in place of the whole file: unified diffs, patches of Codex, and search/replace blocks.

Models send them although a whole file is asked for. A change is applied by its text: line numbers in models' diffs are
rarely right, so they only choose among several places that fit. It is taken only if every part of it fits.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_HUNKS, MAX_LINES = 100, 5000
"""Parts of a change that are read, and lines of a file that one is applied to."""

_SEARCH_MARKS = tuple(
    re.compile(rf"[ \t]*{marks}") for marks in ("<{5,9}[ \t]*[A-Za-z]", "={5,9}[ \t]*$", ">{5,9}[ \t]*[A-Za-z]")
)
"""Lines before, between and after the two halves of a search/replace block."""
_AT = re.compile(r"^@@(?:[ \t]*-(\d{1,7})(?:,\d{1,7})?[ \t]+\+\d{1,7}(?:,\d{1,7})?[ \t]*@@)?")
_HEADER = re.compile(
    r"^(?:diff --git |index [0-9a-f]|--- |\+\+\+ |\*\*\* (?:Begin|End|Update|Add|Delete|Move)\b|(?:old|new) mode |"
    r"new file mode |similarity |rename )"
)
_DIFF = re.compile(r"^(?:@@|--- \S|\*\*\* (?:Begin Patch|Update File))", re.MULTILINE)
_CERTAIN_DIFF = re.compile(r"^(?:@@ -\d|--- \S[^\n]*\n\+\+\+ \S|\*\*\* (?:Begin Patch|Update File))", re.MULTILINE)
_ELLIPSIS = re.compile(r"^[ +-]?\s*(?:\.\.\.|…)\s*$")


@dataclass(frozen=True)
class Hunk:
    """A part of a change: lines that stand together in a file, and those that replace them."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    line: int | None = None
    """Number of the first old line as the change gives it, from 1; None if it gives none."""


def is_change(text: str, *, is_whole: bool = False) -> bool:
    """Whether a text is written as a change of a file, not as a file.

    Args:
        text: The text.
        is_whole: Whether it reads as a whole file too: then lines such as `--- Notes` or `@@` are its own.
    """
    diff = _CERTAIN_DIFF if is_whole else _DIFF
    return diff.search(text) is not None or any(True for _ in _search_blocks(text))


def is_bare_diff(text: str) -> bool:
    """Whether each line of a text begins as one of a diff does, with lines removed and lines added."""
    begins = {line[0] for line in text.split("\n") if line}
    return {"+", "-"} <= begins <= {"+", "-", " "}


def hunks(text: str, *, is_diff: bool = False) -> list[Hunk]:
    r"""Return the parts of a change in a text; empty if it holds none.

    Args:
        text: The text, with \n as its line ends.
        is_diff: Whether lines that begin with `+` and `-` are a change even without a header.
    """
    searched = list(_search_blocks(text))
    if searched:
        return searched[:MAX_HUNKS]
    if not (is_diff or _DIFF.search(text)):
        return []
    return [hunk for hunk in _diff_hunks(text.strip("\n").split("\n"), is_diff) if hunk.old != hunk.new][:MAX_HUNKS]


def added(parts: Sequence[Hunk]) -> str | None:
    """Return the file that a change adds as a whole; None if it changes an existing one."""
    if len(parts) != 1 or any(line.strip() for line in parts[0].old):
        return None
    return "\n".join(parts[0].new).strip("\n") + "\n"


def applied(source: str, parts: Sequence[Hunk]) -> str | None:
    """Return a source with all parts of a change; None unless all of them fit."""
    lines = source.split("\n")
    if len(lines) > MAX_LINES:
        return None
    begun = shift = 0
    for hunk in parts:
        wanted = None if hunk.line is None else hunk.line - 1 + shift
        place = _place(lines, hunk, begun, wanted)
        if place is None:
            # Empty lines around the old ones, which the file need not have.
            hunk = _trimmed(hunk)
            place = _place(lines, hunk, begun, wanted)
        if place is None:
            return None
        new = _indented(hunk, lines[place : place + len(hunk.old)])
        lines[place : place + len(hunk.old)] = new
        begun, shift = place + len(new), shift + len(new) - len(hunk.old)
    return "\n".join(lines)


def _trimmed(hunk: Hunk) -> Hunk:
    """Return a part without empty lines at its ends."""
    old, new = ("\n".join(each).strip("\n").split("\n") for each in (hunk.old, hunk.new))
    return Hunk(tuple(old), tuple(new), hunk.line)


def _search_blocks(text: str) -> Iterator[Hunk]:
    """Yield the search/replace blocks of a text."""
    halves: list[list[str]] = []
    for line in text.split("\n"):
        if _SEARCH_MARKS[0].match(line):
            halves = [[]]
        elif len(halves) == 1 and _SEARCH_MARKS[1].match(line):
            halves.append([])
        elif len(halves) == 2 and _SEARCH_MARKS[2].match(line):
            yield Hunk(tuple(halves[0]), tuple(halves[1]))
            halves = []
        elif halves:
            halves[-1].append(line)


def _diff_hunks(lines: Sequence[str], has_begun: bool) -> Iterator[Hunk]:
    """Yield the parts of a unified diff, or of a patch without line numbers."""
    old: list[str] = []
    new: list[str] = []
    number: int | None = None
    for place, line in enumerate(lines):
        at = _AT.match(line)
        after = lines[place + 1] if place + 1 < len(lines) else ""
        is_header = _HEADER.match(line) and (not line.startswith("--- ") or after.startswith("+++ "))
        if at is not None or is_header or _ELLIPSIS.match(line):
            if old or new:
                yield Hunk(tuple(old), tuple(new), number)
            old, new = [], []
            number = int(at[1]) if at is not None and at[1] else None
            has_begun = has_begun or at is not None or bool(is_header)
        elif not has_begun or line.startswith("\\"):
            continue
        elif line.startswith("+"):
            new.append(line[1:])
        elif line.startswith("-"):
            old.append(line[1:])
        else:
            # Models leave the space before a line of context away, mostly of an empty one.
            text = line[1:] if line.startswith(" ") else line
            old.append(text)
            new.append(text)
    if old or new:
        yield Hunk(tuple(old), tuple(new), number)


def _place(lines: list[str], hunk: Hunk, begun: int, wanted: int | None) -> int | None:
    """Return the index where a part's old lines stand, exactly or but for white space at their ends; None if nowhere.

    Args:
        lines: The file.
        hunk: The part.
        begun: Index after the part before, which places before it are taken for only if there is no other.
        wanted: Index that the change gives.
    """
    old = list(hunk.old)
    if not old:
        return min(wanted + 1, len(lines)) if wanted is not None else None
    for same in (str, str.rstrip, str.strip):
        sought = [same(line) for line in old]
        if not any(sought):
            return None
        file = [same(line) for line in lines]
        found = [
            start
            for start in range(len(file) - len(sought) + 1)
            if file[start] == sought[0] and file[start : start + len(sought)] == sought
        ]
        if found:
            aim = begun if wanted is None else wanted
            return min(found, key=lambda each: (each < begun, abs(each - aim)))
    return None


def _indented(hunk: Hunk, found: Sequence[str]) -> list[str]:
    """Return a part's new lines, indented as the file's lines are in place of the old ones.

    Args:
        hunk: The part.
        found: The file's lines in place of the old ones, which may differ from them in white space.
    """
    if list(hunk.old) == list(found):
        return list(hunk.new)
    shifts: dict[int, int] = {}
    for old, line in zip(hunk.old, found, strict=True):
        if old.strip():
            shifts.setdefault(_indent(old), _indent(line) - _indent(old))
    usual = next(iter(shifts.values()), 0)
    return [_shifted(line, shifts.get(_indent(line), usual)) for line in hunk.new]


def _indent(line: str) -> int:
    return len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip(" "))


def _shifted(line: str, by: int) -> str:
    if by >= 0 or not line.strip():
        return " " * by + line if line.strip() else line
    return line[min(-by, _indent(line)) :]
