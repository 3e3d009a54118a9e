"""Splitting of lists at the separators of their members."""

import re

from envdata.collect.equality.tidying import TEXT_CLOSE, TEXT_OPEN

_OPEN, _CLOSE = ("(", "[", "{", "⟨", TEXT_OPEN), (")", "]", "}", "⟩", TEXT_CLOSE)
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d])")


def split(text: str, separators: str) -> list[str]:
    """Return the parts of a text between those separators that stand outside all brackets.

    Args:
        text: A tidied text.
        separators: Characters that separate parts.
    """
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        if character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character in separators and depth <= 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def closed(text: str) -> bool:
    r"""Return whether no bracket of a text closes before it opens, as one does in `1,2) \cup (3,4`."""
    depth = 0
    for character in text:
        depth += (character in _OPEN) - (character in _CLOSE)
        if depth < 0:
            return False
    return depth == 0


def without_thousands(text: str, *, inside_brackets: bool = False) -> str:
    """Return a text without the commas that separate the thousands of its numbers.

    In a list a comma between members is followed by a space. In brackets, where a pair such as (1,234) is meant, commas
    are removed only if there are such spaces.
    """
    if inside_brackets and not re.search(r"[,;]\s", text):
        return text
    return _THOUSANDS.sub(lambda found: found.group().replace(",", ""), text)
