"""Fenced code blocks of a reply in Markdown, as models write them.

CommonMark's rules hold, but for these: a fence inside a string of Python code does not close the block; a fence with
the name of a language ends a block that was never closed and begins the next; an opening fence may stand at the end
of a line of prose or in a list, and a closing one at the end of the last line of code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from graph.explorers.prompts.python_source import open_after, string_after

PYTHON = frozenset({"", "python", "python3", "py", "py3", "py3k", "pycon", "ipython", "sage", "code", "plaintext"})
"""Languages of fences whose blocks are read as Python; many models name none."""
DIFF = frozenset({"diff", "patch", "udiff"})
"""Languages of fences whose blocks are changes of a file."""
MAX_STRING_LINES = 200
"""Lines within which a string that has a fence in it must end."""
MAX_PROSE_LINE = 1000
"""Characters of a line of prose within which an opening fence is looked for."""

_LINE = re.compile(r"[^\r\n]*")
_OPENING = re.compile(
    r"^(?P<lead>(?:[ \t]*>)*[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?)(?P<marks>`{3,}|~{3,})(?P<info>[^\n]*)$"
)
_OPENING_AFTER_PROSE = re.compile(
    r"^(?P<lead>)(?P<prose>[^`\n]*\S)[ \t]*(?P<marks>`{3,})(?P<info>py(?:thon)?3?|diff|json)[ \t]*$", re.IGNORECASE
)
_CODE_IN_INFO = re.compile(r'(?:from\s+[\w.]+\s+import\b|import\s+\w|class\s+\w+\s*[(:]|[rRuU]?"""|@\w|\{\s*")')
_FILE_LEVEL = re.compile(r"(?:class|from|import)\s|@@|---|\{")
_LANGUAGE = re.compile(r"[ \t]*\{?\.?([A-Za-z][\w+#-]*)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a reply."""

    text: str
    """Its lines, without the indentation that all of them share, and with one line end after the last."""
    language: str
    """The first word after the opening fence, in small letters; empty if there is none."""
    prose: str
    """Text between the block before and this one."""
    is_closed: bool

    @property
    def is_python(self) -> bool:
        """Whether it may be Python by its language."""
        return self.language in PYTHON


@dataclass(frozen=True)
class _Line:
    text: str
    """Without its end, and inside a block without the marks of a quotation."""
    start: int
    """Place in the reply."""


@dataclass(frozen=True)
class _Fence:
    marks: str
    info: str
    language: str
    quotes: int
    """Number of `>` before it."""
    indentation: str


def fenced_blocks(reply: str) -> list[Block]:
    """Return the fenced blocks of a reply, in their order."""
    blocks = []
    for prose, fence, body, is_closed in _parts(_lines(reply)):
        text = "\n".join(_dedented([line.text for line in body], fence)).strip("\n") + "\n"
        blocks.append(Block(text, fence.language, prose, is_closed))
    return blocks


def code_strings(reply: str) -> Iterator[tuple[int, str, str]]:
    """Yield place, text and `string_after` of the line before, for each line of the Python blocks of a reply."""
    for _, fence, body, _ in _parts(_lines(reply)):
        if fence.language in PYTHON:
            inside = ""
            for line in body:
                yield line.start, line.text, inside
                inside = string_after(line.text, inside)


def _lines(reply: str) -> list[_Line]:
    lines, at = [], 0
    while at <= len(reply):
        found = _LINE.match(reply, at)
        end = found.end() if found is not None else len(reply)
        lines.append(_Line(reply[at:end], at))
        at = end + (2 if reply[end : end + 2] == "\r\n" else 1)
    return lines


def _parts(lines: list[_Line]) -> Iterator[tuple[str, _Fence, list[_Line], bool]]:
    """Yield the prose before each block, its fence, its lines, and whether it is closed."""
    prose: list[str] = []
    at = 0
    while at < len(lines):
        opening = _OPENING.match(lines[at].text) or _OPENING_AFTER_PROSE.match(lines[at].text[:MAX_PROSE_LINE])
        fence = _fence(opening) if opening is not None else None
        if opening is None or fence is None:
            prose.append(lines[at].text)
            at += 1
            continue
        prose.append(opening.groupdict().get("prose") or "")
        begun, first = at + 1, None
        if code := _code_in_info(fence.info):
            # The first line of the file stands beside the opening fence.
            first = _Line(code, lines[at].start + lines[at].text.rindex(code))
        end, last, is_closed = _end(lines, begun, first, fence)
        inner = _unquoted(lines[begun:end], fence.quotes)
        inner = ([first] if first is not None else []) + inner + ([last] if last is not None else [])
        yield "\n".join(prose).strip("\n"), fence, inner, is_closed
        prose = []
        # A line that closes is left out; one that begins the next block is read again.
        at = end + (1 if is_closed else 0)


def _fence(opening: re.Match[str]) -> _Fence | None:
    """Return an opening fence, None if it is code within one line."""
    marks, info = opening["marks"], opening["info"]
    if marks[0] == "`" and "`" in info:
        return None
    language = _LANGUAGE.match(info)
    lead = opening["lead"]
    indentation = lead[lead.rfind(">") + 1 :] if ">" in lead else lead
    return _Fence(marks, info, language[1].lower() if language else "", lead.count(">"), indentation)


def _code_in_info(info: str) -> str:
    """Return code that stands after the language of an opening fence, or instead of it; empty if there is none."""
    rest = info.strip()
    if _CODE_IN_INFO.match(rest):
        return rest
    rest = rest.partition(" ")[2].strip()
    return rest if _CODE_IN_INFO.match(rest) and not rest.startswith("{") else ""


def _end(lines: list[_Line], begun: int, first: _Line | None, fence: _Fence) -> tuple[int, _Line | None, bool]:
    """Return where a block ends, its last line where the closing fence stands on it, and whether it is closed.

    Args:
        lines: All lines of the reply.
        begun: Index of the line after the opening fence.
        first: Code beside the opening fence.
        fence: The opening fence.
    """
    is_python = fence.language in PYTHON
    closing = re.compile(rf"[ \t]*{fence.marks[0]}{{{len(fence.marks)},}}[ \t]*$")
    quotation = re.compile(rf"(?:[ \t]{{0,3}}>){{1,{max(1, fence.quotes)}}}")
    inside = string_after(first.text, "") if first is not None and is_python else ""
    in_string: int | None = None
    nested = False
    for place in range(begun, len(lines)):
        text = lines[place].text
        marks = quotation.match(text) if fence.quotes else None
        text = text[marks.end() :] if marks is not None else text
        if in_string is not None and place > in_string + MAX_STRING_LINES:
            break
        if fence.language in DIFF and text.startswith(" ") and not (fence.indentation or fence.quotes):
            # A line of context, which begins with a space.
            continue
        if closing.match(text):
            if not inside:
                return place, None, True
            in_string, nested = place if in_string is None else in_string, not nested
            continue
        opening = _OPENING.match(text)
        if opening is not None and opening["info"].strip() and _fence(opening) is not None:
            if not inside:
                return place, None, False
            if nested and in_string is not None:
                # The next block begins: the string is one that nothing closes.
                break
            nested = True
        code = text.rstrip()
        if is_python and not inside and code.endswith(fence.marks):
            code = code.rstrip(fence.marks[0]).rstrip()
            if not open_after(code, inside):
                return place, _Line(code, lines[place].start + len(lines[place].text) - len(text)), True
        inside = string_after(text, inside) if is_python else ""
    if in_string is not None:
        # A string that nothing closes: the first fence in it closed the block.
        return in_string, None, True
    return len(lines), None, False


def _unquoted(lines: list[_Line], quotes: int) -> list[_Line]:
    """Return lines without the marks of a quotation of that depth, and the space after them if each has one."""
    if not quotes:
        return lines
    marks = re.compile(rf"(?:[ \t]{{0,3}}>){{1,{quotes}}}")
    found = [marks.match(line.text) for line in lines]
    quoted = [line.text[each.end() :] for line, each in zip(lines, found, strict=True) if each is not None]
    space = all(text.startswith(" ") for text in quoted if text.strip())
    widths = [0 if each is None else each.end() + space for each in found]
    return [_Line(line.text[width:], line.start + width) for line, width in zip(lines, widths, strict=True)]


def _dedented(lines: list[str], fence: _Fence) -> list[str]:
    """Return lines without the indentation of their fence, or that of all statements if a class or import has it.

    Lines of a string that goes on may have less of it.
    """
    inside, shared = "", None
    for line in lines:
        if line.strip() and not inside:
            indentation = line[: len(line) - len(line.lstrip(" \t\u00a0"))]
            shared = indentation if shared is None else _shared_start(shared, indentation)
        inside = string_after(line, inside) if fence.language in PYTHON else ""
    width = len(shared or "")
    if fence.language in DIFF or not any(_FILE_LEVEL.match(line[width:]) for line in lines):
        width = min(width, len(fence.indentation))
    return [line[width:] if line[:width].strip() == "" else line for line in lines]


def _shared_start(one: str, other: str) -> str:
    pairs = zip(one, other, strict=False)
    return one[: next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))]
