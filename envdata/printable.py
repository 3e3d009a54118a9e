"""Text from outside made fit for a terminal: every character that remains is visible.

Characters are judged by their Unicode properties, not by a list of known tricks: invisible ones can spell a message
that only a model reads, controls steer terminals, and combining marks without end cover the lines beside them.
"""

import bisect
import re
import unicodedata

MAX_LINE = 300
"""Largest length of an error's text, in characters."""
MAX_MARKS = 4
"""Largest number of combining marks in a row; no written language takes more."""

_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""First and last of each range of Default_Ignorable_Code_Point, a property that Python's `unicodedata` does not have:
Unicode 16.0, DerivedCoreProperties.txt. Variation selectors, tags, bidi controls and joiners are among them."""
_STARTS = [first for first, _ in _IGNORABLE]
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\U00013441\U00013442\U00016fe4\U0001d159")
"""Characters without ink, as wide as a letter: fillers, the empty Braille pattern, blank hieroglyphs and notes."""


def escaped(text: str) -> str:
    """Return `text` with JSON escapes for each invisible character, and for marks beyond `MAX_MARKS` in a row.

    JSON means the same before and after.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        unseen = marks > MAX_MARKS or (character != " " and _SHOWN[ord(character)] != character)
        shown.append(_escape(character) if unseen else character)
    return "".join(shown)


def escaped_lines(text: str) -> str:
    """Return `escaped` of each line of a text."""
    return "\n".join(map(escaped, text.split("\n")))


def first_line(error: Exception, limit: int = MAX_LINE) -> str:
    """Return the first line of an error's text, escaped and cut to `limit` characters.

    An error without a text gives its type's name. Arrow's errors quote the content of a file, which may be anything.
    """
    line = escaped((str(error).strip() or type(error).__name__).splitlines()[0])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def visible(line: str) -> str:
    """Return a text with spaces for controls and blanks, without invisible characters, and with few marks in a row."""
    if line.isascii() and line.isprintable():
        return line
    shown = line.translate(_SHOWN)
    marks = "".join(each for each in set(shown) if unicodedata.category(each).startswith("M"))
    return re.sub(f"([{marks}]{{{MAX_MARKS}}})[{marks}]+", r"\1", shown) if marks else shown


class _Shown(dict[int, str]):
    """Table for `str.translate`: the visible form of each code point."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _BLANK:
            return " "
        place = bisect.bisect_right(_STARTS, code) - 1
        if place >= 0 and code <= _IGNORABLE[place][1]:
            return ""
        return character if character.isprintable() and unicodedata.category(character) != "Cf" else " "


_SHOWN = _Shown()


def _escape(character: str) -> str:
    """Return the JSON escape of a character, a surrogate pair beyond the first 65,536."""
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
