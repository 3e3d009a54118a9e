"""Text that comes from a candidate, made fit for terminals, prompts and pages."""

import unicodedata

MAX_QUOTED = 500


def quoted(text: str, limit: int = MAX_QUOTED) -> str:
    """`text` in one line without control or invisible characters, cut to `limit` characters.

    Exceptions, notes, names and docstrings of a candidate may hold terminal escapes or text that imitates ours.
    """
    kept = "".join(
        character if character.isprintable() and unicodedata.category(character) != "Cf" else " "
        for character in text[: limit * 4]
    )
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
