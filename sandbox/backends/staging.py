"""Our files for a sandbox, copied out once for each version and compiled: a sandbox starts in half the time.

They stand in the user's cache, in a folder named by their content and the Python that compiled them.
"""

import compileall
import contextlib
import functools
import hashlib
import os
import py_compile
import shutil
import sys
import tempfile
from pathlib import Path

from sandbox.backends import payload


def cache_folder(kind: str) -> Path:
    """Where things of a kind are kept: in `$AUTOTTS_CACHE`, else `$XDG_CACHE_HOME/autotts`, else `~/.cache/autotts`."""
    named, base = os.environ.get("AUTOTTS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    folder = Path(named) if named else (Path(base) if base else Path.home() / ".cache") / "autotts"
    return folder / kind


@functools.cache
def staged() -> Path | None:
    """The folder with our compiled files; None where the cache cannot be written."""
    sources = {name: path.read_bytes() for name, path in payload.files().items()}
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.hexversion}".encode())
    for name, data in sorted(sources.items()):
        digest.update(f"{name} {len(data)}\n".encode() + data)
    folder = cache_folder("worker") / digest.hexdigest()[:32]
    if _holds(folder, sources):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
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
