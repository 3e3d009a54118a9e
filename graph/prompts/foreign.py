"""Text that candidates, errors and models wrote, made fit to stand in a prompt.

None of it may end the place it stands in, or go on for ever: lines of prose are quoted, code is fenced by more
backticks than it holds, both are cut, and characters that do not print are left out.
"""

import re
import unicodedata

from sandbox.quoting import MAX_QUOTED, quoted

MAX_SOURCE = 12_000
"""Characters of a candidate's source that a prompt shows."""
MAX_PROSE = 4_000
"""Characters of a model's prose."""

_STRAIGHT = str.maketrans("“”„", '"""')

__all__ = ["MAX_PROSE", "MAX_SOURCE", "fenced", "in_quotes", "prose", "quoted"]


def fenced(source: str, limit: int = MAX_SOURCE) -> str:
    """Source code in a fence that it cannot close."""
    kept = _printable(source[:limit]).strip("\n")
    cut = f"\n# … cut here: {len(source) - limit:,} more characters" if len(source) > limit else ""
    longest = max((len(run) for run in re.findall("`{3,}", kept)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}python\n{kept}{cut}\n{marks}"


def prose(text: str, limit: int = MAX_PROSE) -> str:
    """Lines of prose, each after `>`; empty for an empty text."""
    kept = _printable(text[:limit]).strip()
    if len(text) > limit:
        kept += " …"
    return "\n".join(f"> {line}".rstrip() for line in kept.split("\n")) if kept else ""


def in_quotes(text: str, limit: int = MAX_QUOTED) -> str:
    """Foreign text within a line of ours: one line between quotation marks that it cannot close."""
    return f"“{quoted(text, limit).translate(_STRAIGHT)}”"


def _printable(text: str) -> str:
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return "\n".join(
        "".join(c if c.isprintable() and unicodedata.category(c) != "Cf" else " " for c in line) for line in lines
    )
