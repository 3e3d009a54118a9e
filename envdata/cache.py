"""Folders for data that can be made again: mapped grids, compiled files of the worker, records of images."""

import os
from pathlib import Path

VARIABLE = "AUTOTTS_CACHE"
"""Environment variable that names the cache folder."""


class NoCache(OSError):
    """No home folder is known to keep a cache in; the message says how to name a cache folder."""


def cache_folder(kind: str) -> Path:
    """Return the folder that holds cached data of one kind.

    It lies in `$AUTOTTS_CACHE`, else in `$XDG_CACHE_HOME/autotts`, else in `~/.cache/autotts`. The folder need not
    exist and need not be writable. Raises NoCache if there is no home folder.
    """
    named, base = os.environ.get(VARIABLE), os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named) / kind
    if base:
        return Path(base) / "autotts" / kind
    found = home()
    if found is None:
        raise NoCache(f"this user has no home folder; name a folder that can be written in {VARIABLE}")
    return found / ".cache" / "autotts" / kind


def home() -> Path | None:
    """Return the user's home folder.

    None where neither HOME nor the user's entry in the password database names one, as in many containers.
    """
    try:
        return Path.home()
    except RuntimeError:
        return None
