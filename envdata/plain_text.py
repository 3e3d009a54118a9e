r"""Text of models, clients and files, with what no file or program can take replaced once, where the text enters.

JSON may write a character beyond the first 65,536 as two escapes. Whoever cuts a text between them sends halves of a
surrogate pair (`"\ud83d"`), which Python keeps in a string and cannot encode as UTF-8, so that writing them fails much
later. Paths have such halves too: Python decodes their bytes that are not UTF-8 to surrogates.
"""

import re
from typing import Any

_LINE_END = re.compile(r"\r\n?")
_INVISIBLE = {0x0000: None, 0x200B: None, 0x2060: None, 0xFEFF: None, 0x00A0: " ", 0x2007: " ", 0x202F: " "}
"""NUL, zero-width spaces and byte-order marks are removed, no-break spaces become spaces."""


def whole(text: str) -> str:
    """Return a text that UTF-8 can hold: pairs of surrogates become characters, lone ones U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain(text: str) -> str:
    r"""Return `whole` of a text with \n as its line ends, without byte-order marks and NUL, and with plain spaces.

    No-break spaces make a line of Python a syntax error, and models write them for indentation.
    """
    return _LINE_END.sub("\n", whole(text)).translate(_INVISIBLE)


def whole_value(value: Any) -> Any:
    """Return a value that was read from JSON with `whole` of each of its texts, keys included."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [whole_value(each) for each in value]
    if isinstance(value, dict):
        return {whole(key) if isinstance(key, str) else key: whole_value(each) for key, each in value.items()}
    return value
