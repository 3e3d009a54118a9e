"""What a self-contained page embeds: style, scripts, data, and the policy that admits nothing else.

The policy names style and script by their hashes: a script that a candidate, a model or a grid smuggled in would not
run even if it got into the page as markup, which escaping keeps it from.
"""

import base64
import gzip
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any


def policy(style: str, script: str, *, live: bool = False) -> str:
    """The content security policy of a page: this style, this script, and connections to its server if it is `live`."""
    own = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )
    return own + ("; connect-src 'self'" if live else "")


@cache
def page_file(name: str) -> str:
    """A file of `graph/report/templates/page`, such as `page.css` or `chart.js`."""
    return resources.files("graph.report").joinpath("templates", "page", name).read_text(encoding="utf-8")


def joined(*scripts: str) -> str:
    """Scripts as one, in the order in which they build on one another, in a scope of their own."""
    parts = "\n".join(scripts)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


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


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
