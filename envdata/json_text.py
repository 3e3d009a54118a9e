r"""JSON from files and servers, read so that every unusable text is a ValueError.

Nesting that is too deep for Python's own reader is a RecursionError, and half of a surrogate pair (`"\ud83d"`) becomes
a string that no file can hold; here it is replaced.
"""

import json
import re
from typing import Any

from envdata.plain_text import whole, whole_value

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text, with U+FFFD for each half of a surrogate pair in its texts.

    Args:
        text: JSON, as text or as UTF-8 bytes with or without a byte-order mark.

    Raises:
        ValueError: The text is not JSON, not UTF-8 or nested too deeply; the message says which.
    """
    data = whole(text).encode() if isinstance(text, str) else text
    try:
        value = json.loads(data.decode("utf-8-sig"))
        return whole_value(value) if _SURROGATE.search(data) else value
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply to be read") from None
