"""Versions: the range of Python and numpy that candidates run on, for all backends, and what is installed here."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PYTHONS = ((3, 11), (3, 15))
"""First supported version, and the first after it that is not supported."""

NUMPY = "2"
"""The supported major version."""


def python_range() -> str:
    """Return the range of Python versions as text, such as `3.11 to 3.14`."""
    (first, low), (last, high) = PYTHONS
    return f"{first}.{low} to {last}.{high - 1}"


def unsupported(versions: Mapping[str, Any]) -> str | None:
    """Return why the versions that a sandbox reported are not supported, None if they are.

    Args:
        versions: `python`, a list of numbers; `numpy`, a string, only if the candidate imports numpy.
    """
    python = tuple(versions["python"])[:2]
    if not PYTHONS[0] <= python < PYTHONS[1]:
        return f"the sandbox has Python {'.'.join(map(str, python))}; candidates run on {python_range()}"
    numpy = str(versions.get("numpy", NUMPY))
    if numpy.partition(".")[0] != NUMPY:
        return f"the sandbox has numpy {numpy}; candidates run on numpy {NUMPY}.x"
    return None


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of distributions by name, in their order; `not installed` for those that are absent."""
    versions = {}
    for name in packages:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
