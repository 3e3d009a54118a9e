"""Keys stay in the environment: whatever text is kept or shown goes through here first.

Servers and libraries sometimes quote a key back, in an error or in a reply. What is replaced are the values of
variables whose names say that they hold a secret, wherever they come up.
"""

import json
import os
import re

MARK = "[key redacted]"
SHORTEST = 8
"""Characters; what is shorter is no key, and would be found in ordinary words."""

_SECRET = re.compile(r"(?:API_?KEY|(?:^|_)KEY|(?:^|_)TOKEN|SECRET|PASSWORD|CREDENTIALS?)S?$", re.IGNORECASE)
_OURS = "AUTOTTS_"
"""Settings are no secrets: AUTOTTS_DISCOVER_MAX_TOKENS is a number."""


def secrets() -> list[str]:
    """The values of variables that hold secrets, the longest first."""
    names = [name for name in os.environ if _SECRET.search(name) and not name.startswith(_OURS)]
    found = {os.environ[name].strip() for name in names}
    # As it stands in JSON, too.
    found |= {json.dumps(value, ensure_ascii=False)[1:-1] for value in found}
    return sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)


def redacted(text: str) -> str:
    """The text without any secret of the environment."""
    for value in secrets():
        text = text.replace(value, MARK)
    return text
