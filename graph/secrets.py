"""Keys stay in the environment: whatever text is kept or shown goes through here first.

Servers and libraries sometimes quote a key back, in an error or in a reply. What is replaced are the values of
variables whose names say that they hold a secret, wherever they come up.
"""

import os
import re

MARK = "[key redacted]"
SHORTEST = 8
"""Characters; what is shorter is no key, and would be found in ordinary words."""

_SECRET = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)S?$", re.IGNORECASE)


def secrets() -> list[str]:
    """The values of variables that hold secrets, the longest first."""
    found = {value.strip() for name, value in os.environ.items() if _SECRET.search(name)}
    return sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)


def redacted(text: str) -> str:
    """The text without any secret of the environment."""
    for value in secrets():
        text = text.replace(value, MARK)
    return text
