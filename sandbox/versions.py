"""The Pythons and numpys that candidates may meet: one range for every backend, checked when a sandbox starts."""

from collections.abc import Mapping
from typing import Any

PYTHONS = ((3, 11), (3, 15))
"""From the first up to, not including, the second."""

NUMPY = "2"
"""The major version."""


def python_range() -> str:
    """The range in words: `3.11 to 3.14`."""
    (first, low), (last, high) = PYTHONS
    return f"{first}.{low} to {last}.{high - 1}"


def unsupported(said: Mapping[str, Any]) -> str | None:
    """What is wrong with the versions that a sandbox said it has, None if nothing is.

    `said` holds `python`, a list of numbers, and `numpy`, a string, where the candidate names it.
    """
    python = tuple(said["python"])[:2]
    if not PYTHONS[0] <= python < PYTHONS[1]:
        return f"the sandbox has Python {'.'.join(map(str, python))}; candidates run on {python_range()}"
    numpy = str(said.get("numpy", NUMPY))
    if numpy.partition(".")[0] != NUMPY:
        return f"the sandbox has numpy {numpy}; candidates run on numpy {NUMPY}.x"
    return None
