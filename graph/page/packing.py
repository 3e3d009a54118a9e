"""How data stands in a page: JSON that no markup can break out of, and packed text for what is seldom looked at."""

import base64
import gzip
import json
from typing import Any


def embedded(value: Any) -> str:
    """JSON for a `<script type="application/json">`: without `<`, `>` and `&`, nothing in it can end the element.

    The line separators U+2028 and U+2029 are escaped as well. Raises ValueError for NaN and infinities.
    """
    said = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        said = said.replace(sign, f"\\u{ord(sign):04x}")
    return said


def packed(value: Any) -> str:
    """JSON, gzip and base64: the page unpacks it when it is looked at. Equal values give equal text."""
    said = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Lone surrogates, which JSON may hold and UTF-8 may not, become question marks.
    return base64.b64encode(gzip.compress(said.encode("utf-8", "replace"), mtime=0)).decode()
