"""Copies the worker's files into the user's cache and compiles them, once per version, so that sandboxes start faster.

The folder is named by the hash of their content and of the Python that compiled them.
"""

import compileall
import contextlib
import functools
import py_compile
import shutil
import sys
from pathlib import Path

from envdata.atomic import temporary_folder
from envdata.cache import NoCache, cache_folder
from sandbox.backends import payload


@functools.cache
def staged() -> Path | None:
    """Return the folder with the compiled worker files; None where the cache cannot be written."""
    sources = {name: path.read_bytes() for name, path in payload.files().items()}
    version_hash = payload.content_hash(sources, f"{sys.implementation.cache_tag} {sys.hexversion}")
    try:
        folder = cache_folder("worker") / version_hash[:32]
    except NoCache:
        return None
    if _holds(folder, sources):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder.parent) as made:
            for name, data in sources.items():
                path = Path(made, "worker", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            top = Path(made, "worker")
            by_hash = py_compile.PycInvalidationMode.UNCHECKED_HASH
            compileall.compile_dir(top, quiet=2, invalidation_mode=by_hash, stripdir=str(top))
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # another process was first
                top.rename(folder)
    except OSError:
        return None
    return folder if _holds(folder, sources) else None


def _holds(folder: Path, sources: dict[str, bytes]) -> bool:
    try:
        return all((folder / name).read_bytes() == data for name, data in sources.items())
    except OSError:
        return False
