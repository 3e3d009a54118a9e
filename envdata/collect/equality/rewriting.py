r"""Structures in rarer notations, rewritten in the usual one: ]0,1[, sets by a property, systems, approximations."""

import re

from envdata.collect.equality import sets
from envdata.collect.equality.splitting import closed
from envdata.collect.equality.tidying import TEXT_CLOSE, TEXT_OPEN

_LETTER = r"[A-Za-z]|\\(?!(?:pi|infty|pm|mp|frac|sqrt)\b)[A-Za-z]+"
NAME = re.compile(
    rf"(?:{_LETTER})(?:_(?:\w|\{{[^{{}}]*\}}))?'*(?:\s*(?:\^\{{-1\}}\s*)?\([^()]*\))?|\|?[A-Z]{{2,4}}\|?|\[[A-Z]{{3,}}\]|\\(?:angle|overline|triangle|vec|overrightarrow|bar|hat)\s*\{{?\s*\w+\s*\}}?"
    rf"|m\s*\\angle\s*\w+|{TEXT_OPEN}[^{TEXT_CLOSE}]*{TEXT_CLOSE}(?:\([^()]*\))?|[A-Za-z][A-Za-z -]{{3,}}"
)
"""A name that an equation may give a value."""
_LABEL = re.compile(rf"^{TEXT_OPEN}\s*([A-Za-z][A-Za-z ]{{2,40}}?)\s*:\s*{TEXT_CLOSE}\s*(?=\S)")
_BUILDER = re.compile(r"\\\{\s*([A-Za-z])\s*(?:\\in\s*\\R\s*)?(?::|\|)\s*(.+?)\s*\\\}")
"""A set by its property: the name of its members, and the property."""
_REVERSED = re.compile(r"([\[\]])\s*([^\[\](){}]+?)\s*,\s*([^\[\](){}]+?)\s*([\[\]])")
"""An interval with brackets that open outwards: ]0,1[."""
_CASES = re.compile(r"\\begin\{(cases|aligned|align\*?|gathered|array)\}(.*?)\\end\{\1\}", re.DOTALL)
_TRANSPOSED = re.compile(r"(?<=[)\]])\^\s*\{?\s*(?:T|\\top|\\intercal)\s*\}?$")


def usual(text: str) -> str:
    """Return a tidied answer in the usual notation of its structure."""
    text = _TRANSPOSED.sub("", _without_approximation(_as_list(_LABEL.sub(r"⟦\1⟧ = ", text))))
    if not closed(text):
        text = _REVERSED.sub(_usual_brackets, text)
    builder = _BUILDER.fullmatch(text)
    return builder[2] if builder and has_relation(builder[2]) else text


def is_name(text: str) -> bool:
    """Return whether a text is a name, of a variable, a function, a length or in words."""
    return NAME.fullmatch(text) is not None and text != "e"


def has_relation(part: str) -> bool:
    """Return whether a text is an equation, an inequality or a membership."""
    return "=" in part or sets.chain(part) is not None or re.search(r"\\in(?![A-Za-z])", part) is not None


def _as_list(text: str) -> str:
    """Return the equations in the rows of an environment as a list; other texts as they are."""
    found = _CASES.fullmatch(text)
    if found is None:
        return text
    rows = [row.replace("&", " ").strip().rstrip(",") for row in re.split(r"\\\\", found[2])]
    rows = [row for row in rows if row]
    return ", ".join(rows) if rows and all(re.fullmatch(r"[^=]+=[^=]+", row) for row in rows) else text


def _without_approximation(text: str) -> str:
    r"""Return the exact value of `12\pi \approx 37.7`; an approximate value of a name is its value."""
    parts = [part.strip() for part in re.split(r"\\approx(?![A-Za-z])", text)]
    if len(parts) == 1 or not all(parts):
        return text
    if len(parts) == 2 and is_name(parts[0]):
        return f"{parts[0]} = {parts[1]}"
    return parts[0] if len(parts) == 2 and re.fullmatch(r"-?[\d.,]+(?:\s*\D{0,20})?", parts[1]) else text


def _usual_brackets(found: re.Match[str]) -> str:
    """Return an interval with brackets that open outwards in the usual notation."""
    start, low, high, end = found.groups()
    return f"{'(' if start == ']' else '['}{low},{high}{')' if end == '[' else ']'}"
