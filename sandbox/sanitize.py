"""Makes text of candidates, models, errors and files safe to show in terminals, prompts and pages.

Such text may hold terminal escapes, imitate our own text, or close the fence or quotation it stands in. Characters
that do not print are left out (`envdata.printable`), lines of prose are quoted, code is fenced by more backticks than
it holds, and everything is cut to a limit.
"""

import re

from envdata.printable import visible

MAX_QUOTED = 500
"""Largest number of characters of a text within a line."""
MAX_SOURCE = 12_000
"""Largest number of characters of a candidate's source in a prompt."""
MAX_PROSE = 4_000
"""Largest number of characters of a model's prose."""

_STRAIGHT = str.maketrans("“”„", '"""')


def quoted(text: str, limit: int = MAX_QUOTED) -> str:
    """Return `text` in one line, without control or invisible characters, cut to `limit` characters."""
    line = " ".join(visible(text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def printable(text: str) -> str:
    """Return `text` uncut and in its lines, without control or invisible characters; tabs become spaces."""
    return "\n".join(map(visible, text.replace("\r\n", "\n").expandtabs(4).split("\n")))


def fenced(source: str, limit: int = MAX_SOURCE) -> str:
    """Return source code in a Markdown fence that it cannot close, cut to `limit` characters."""
    kept = printable(source[:limit]).strip("\n")
    cut = f"\n# … cut here: {len(source) - limit:,} more characters" if len(source) > limit else ""
    longest = max((len(run) for run in re.findall("`{3,}", kept)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}python\n{kept}{cut}\n{marks}"


def prose(text: str, limit: int = MAX_PROSE) -> str:
    """Return lines of prose, each after `>`, cut to `limit` characters; empty for an empty text."""
    kept = printable(text[:limit]).strip()
    if len(text) > limit:
        kept += " …"
    return "\n".join(f"> {line}".rstrip() for line in kept.split("\n")) if kept else ""


def in_quotes(text: str, limit: int = MAX_QUOTED) -> str:
    """Return foreign text as one line between quotation marks that it cannot close, cut to `limit` characters."""
    return f"“{quoted(text, limit).translate(_STRAIGHT)}”"
