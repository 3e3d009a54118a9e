"""Redaction of API keys and other secrets in texts that are stored or shown.

Servers and libraries sometimes quote a key in an error or a reply. The values of environment variables whose names mark
them as secrets are replaced wherever they occur.
"""

import json
import os
import re

from envdata.collect.server_keys import KEY_VARIABLES, SHORTEST_HIDDEN

MARK = "[key redacted]"

_SECRET = re.compile(r"(?:API_?KEY|(?:^|_)KEY|(?:^|_)TOKEN|SECRET|PASSWORD|CREDENTIALS?)S?$", re.IGNORECASE)
_SETTINGS_PREFIX = "AUTOTTS_"
"""Prefix of variables with settings, which are not secrets but for the keys of servers: AUTOTTS_DISCOVER_MAX_TOKENS is
a number."""


def secrets() -> list[str]:
    """Return the secret values in the environment, plain and as escaped in JSON, the longest first."""
    names = [
        name
        for name in os.environ
        if name in KEY_VARIABLES or (_SECRET.search(name) and not name.startswith(_SETTINGS_PREFIX))
    ]
    values = {os.environ[name].strip() for name in names}
    values |= {json.dumps(value, ensure_ascii=False)[1:-1] for value in values}
    return sorted((value for value in values if len(value) >= SHORTEST_HIDDEN), key=len, reverse=True)


def redacted(text: str) -> str:
    """Return `text` with each secret of the environment replaced by `MARK`."""
    for value in secrets():
        text = text.replace(value, MARK)
    return text
