"""Lexical reading of Python source in models' replies: where strings begin and end, and repair of what cannot parse.

Replies are untrusted, so nothing in them is parsed or compiled here: the sandbox does that. Characters are replaced
only where no Python file can have them, outside strings and comments. Inside them every character stays as it is.
"""

import html
import re
from collections.abc import Iterator

from envdata.plain_text import whole

DOUBLE, SINGLE = "“”„‟″＂«»❝❞", "‘’‚‛′＇❛❜"
"""Characters that replace the two straight quotes in text that a word processor or a chat page has altered."""
TAB_WIDTHS = (4, 8, 2, 1)
"""Columns of a tab, in the order they are tried."""

_STRING_END = {mark: re.compile(rf"(?:\\.|(?!{mark})[^\\])*+{mark}", re.DOTALL) for mark in ('"""', "'''", '"', "'")}
_QUOTE_OR_COMMENT = re.compile(r"""#|\"{3}|'{3}|"|'""")
_ANY_QUOTE = re.compile(rf"""#[^\n]*|\"{{3}}|'{{3}}|"|'|[{DOUBLE}]|[{SINGLE}]""")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#39|#x27);")
_LINE_ENDS = re.compile(r"\r\n?|\x00|\x1b(?:\[[0-9;?]{0,20}[A-Za-z])?")

_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\ufe0e\ufe0f\ufeff"
)
_OUTSIDE_STRINGS = str.maketrans(
    {
        **dict.fromkeys(_SPACES, " "),
        **dict.fromkeys(_INVISIBLE, ""),
        **dict.fromkeys("\u2028\u2029\x85\x0b\x1c\x1d\x1e", "\n"),
        **dict.fromkeys("−–—‐‑‒﹣", "-"),
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
        "…": "...", "×": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "、": ",",
    }
)  # fmt: skip
"""Characters that no Python file has outside strings and comments, and those meant by them."""


def open_after(line: str, inside: str) -> str:
    """Return the quotes of the string that is open at the end of a piece of a line, `#` in a comment, else empty.

    Args:
        line: The line from its beginning, without its end.
        inside: `string_after` of the line before.
    """
    at = 0
    while True:
        if inside:
            end = _STRING_END[inside].match(line, at)
            if end is None:
                return inside
            at = end.end()
        found = _QUOTE_OR_COMMENT.search(line, at)
        if found is None:
            return ""
        if found[0] == "#":
            return "#"
        at, inside = found.end(), found[0]


def string_after(line: str, inside: str) -> str:
    """Return the quotes of the string that goes on in the next line; empty if none does.

    Args:
        line: The line, without its end.
        inside: The same of the line before.
    """
    left = open_after(line, inside)
    # A string in single quotes goes on only after a backslash.
    return left if len(left) == 3 or (left in ("'", '"') and line.endswith("\\")) else ""


def mended(source: str) -> str:
    r"""Return a source with \n as its line ends, and with ASCII characters where others cannot parse.

    Outside strings and comments, no-break spaces become spaces, invisible characters are left out, and dashes, signs
    and full-width letters become those of ASCII. Typographic quotes that delimit a string become straight ones. Tabs
    of an indentation become spaces. HTML's entities are resolved in a source that has no `<` and `>` of its own.
    """
    source = _LINE_ENDS.sub(lambda found: "\n" if found[0][0] == "\r" else "", whole(source))
    if "<" not in source and ">" not in source and _ENTITY.search(source):
        source = html.unescape(source)
    source = "".join(
        piece if is_text else piece.translate(_OUTSIDE_STRINGS) for piece, is_text in _with_straight_quotes(source)
    )
    return _without_tabs(source)


def _with_straight_quotes(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a source and whether each is a string or a comment, with straight quotes around strings."""
    at = 0
    while (found := _ANY_QUOTE.search(source, at)) is not None:
        yield source[at : found.start()], False
        if found[0].startswith("#"):
            yield found[0], True
            at = found.end()
            continue
        text, at = _string(source, found)
        yield text, True
    yield source[at:], False


def _string(source: str, opening: re.Match[str]) -> tuple[str, int]:
    """Return the string that begins at its quotes, with straight ones, and the place after it."""
    start, marks = opening.start(), opening[0]
    straight = '"' if marks[0] in DOUBLE + '"' else "'"
    alike = DOUBLE if straight == '"' else SINGLE
    if marks[0] == straight:
        end = _end_of_straight(source, opening.end(), marks)
        if end is not None:
            return source[start:end], end
    run = re.compile(rf"[{alike}{straight}]{{1,7}}").match(source, start)
    length = len(run[0]) if run else 1
    if length in (2, 6):
        return straight * length, start + length
    count = 3 if length >= 3 else 1
    begun = start + count
    if count == 3:
        closing = re.compile(rf"[{alike}{straight}]{{3}}").search(source, begun)
    else:
        # An apostrophe stands between letters; it closes no string.
        apostrophe = "(?!(?<=\\w.)\\w)" if straight == "'" else ""
        line_end = source.find("\n", begun)
        line_end = len(source) if line_end < 0 else line_end
        closing = re.compile(rf"(?<!\\)[{alike}]{apostrophe}").search(source, begun, line_end) or re.compile(
            rf"(?<!\\){straight}"
        ).search(source, begun, line_end)
    if closing is None:
        # Nothing closes it: the sandbox reports the error.
        return source[start:begun], begun
    text = source[begun : closing.start()]
    if count == 1:
        text = re.sub(rf"(?<!\\){straight}", rf"\\{straight}", text)
    return straight * count + text + straight * count, closing.end()


def _end_of_straight(source: str, begun: int, marks: str) -> int | None:
    """Return the end of a string with straight quotes, None if nothing closes it."""
    if len(marks) == 3:
        found = _STRING_END[marks].match(source, begun)
        return found.end() if found is not None else None
    found = re.compile(rf"(?:\\.|[^{marks}\\\n])*{marks}", re.DOTALL).match(source, begun)
    return found.end() if found is not None else None


def _without_tabs(source: str) -> str:
    """Return a source whose indentation has no tabs, at the first width of a tab that makes it consistent."""
    lines = source.split("\n")
    starts = _logical_starts(lines)
    if not any("\t" in _indentation(lines[place]) for place in starts):
        return source
    widths = [width for width in TAB_WIDTHS if _is_consistent(lines, starts, width)]
    width = widths[0] if widths else TAB_WIDTHS[0]
    inside = ""
    for place, line in enumerate(lines):
        if not inside and "\t" in _indentation(line):
            indentation = _indentation(line)
            lines[place] = indentation.expandtabs(width) + line[len(indentation) :]
        inside = string_after(line, inside)
    return "\n".join(lines)


def _logical_starts(lines: list[str]) -> list[int]:
    """Return the indexes of lines that begin a statement: outside strings, brackets and continuations, not empty."""
    starts, inside, depth, continued = [], "", 0, False
    for place, line in enumerate(lines):
        code = line.strip()
        if not (inside or depth or continued) and code and not code.startswith("#"):
            starts.append(place)
        if not inside:
            bare = re.sub(r"""(["']).*?\1|#.*""", "", line)
            depth = max(0, depth + sum(bare.count(each) for each in "([{") - sum(bare.count(each) for each in ")]}"))
        inside = string_after(line, inside)
        continued = not inside and line.endswith("\\")
    return starts


def _is_consistent(lines: list[str], starts: list[int], width: int) -> bool:
    """Whether each statement is indented as the one before, deeper after a colon, or as an enclosing block."""
    levels, opens = [0], False
    for place in starts:
        indent = len(_indentation(lines[place]).expandtabs(width))
        if opens:
            if indent <= levels[-1]:
                return False
            levels.append(indent)
        elif indent > levels[-1]:
            return False
        while indent < levels[-1]:
            levels.pop()
        if indent != levels[-1]:
            return False
        opens = _opens_block(lines, place)
    return True


def _opens_block(lines: list[str], place: int) -> bool:
    """Whether the statement that begins at a line ends with a colon, on that line or where its brackets close."""
    depth = 0
    for line in lines[place : place + 50]:
        bare = re.sub(r"""(["']).*?\1|#.*""", "", line)
        depth += sum(bare.count(each) for each in "([{") - sum(bare.count(each) for each in ")]}")
        if depth <= 0 and not bare.endswith("\\"):
            return bare.rstrip().endswith(":")
    return False


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
