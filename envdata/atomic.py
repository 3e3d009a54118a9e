"""Atomic replacement of files: a target holds its old content or the whole new one.

`replacing` yields a temporary path beside the target. When the block ends without error, the file is flushed to the
disk and renamed over the target, and the folder is flushed too, so that a reader, or a machine that lost power, sees
the old content or the new one. When the block fails, the temporary file is removed and the target is unchanged. One
writer for each target is assumed: of two at once, the later rename replaces the whole file.

A process that ends itself without leaving its blocks calls `remove_partial` before.
"""

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from envdata.plain_text import whole

PARTIAL: set[Path] = set()
"""Files and folders that are to go when this process ends: temporary ones, and those of its locks."""


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder, and rename it over `target` when the block ends without error.

    Raises:
        FileExistsError: Before the block, where `target` is a device, a pipe, a folder or another thing than a file.
        OSError: The file cannot be written; the error names `target`.
    """
    if target.exists() and not target.is_file():
        raise FileExistsError(errno.EEXIST, "is not a file, and is not replaced by one", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    PARTIAL.add(temporary)
    try:
        with naming(target, instead_of=temporary):
            yield temporary
            _flush(temporary)
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        PARTIAL.discard(temporary)
    _flush(target.parent)


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None, prefix: str | None = None) -> Iterator[Path]:
    """Yield a new folder that is removed with its content after the block.

    Args:
        parent: Folder to make it in; None for the system's place of temporary files.
        prefix: Start of its name.
    """
    with tempfile.TemporaryDirectory(dir=parent, prefix=prefix) as made:
        PARTIAL.add(Path(made))
        try:
            yield Path(made)
        finally:
            PARTIAL.discard(Path(made))


def remove_partial() -> None:
    """Remove all of `PARTIAL`, of blocks that this process has not left; for its end alone."""
    for path in list(PARTIAL):
        with contextlib.suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(target: Path, *, instead_of: Path | None = None) -> Iterator[None]:
    """Make system errors within the block name `target`.

    Args:
        target: The file that the user knows.
        instead_of: A path to replace. Errors that name no file, such as those of a full disk, name `target` too.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, instead_of, str(instead_of)):
            error.filename = str(target)
        raise


def write_bytes(target: Path, content: bytes) -> None:
    """Replace the content of `target` by `content`, atomically."""
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Replace the content of `target` by `content` in UTF-8, atomically and without changing line ends.

    What UTF-8 cannot hold is replaced: half a surrogate pair, as in a path whose bytes are not UTF-8.
    """
    write_bytes(target, whole(content).encode("utf-8"))


def create_bytes(target: Path, content: bytes, *, mode: int) -> None:
    """Create `target` with its whole content; of several processes that do so at once, one succeeds.

    Args:
        target: A file that does not exist, in a folder that does.
        content: Its content.
        mode: Its permissions.

    Raises:
        FileExistsError: `target` exists; it is unchanged.
        OSError: The file cannot be written; the error names `target`.
    """
    temporary = _beside(target)
    PARTIAL.add(temporary)
    try:
        with naming(target, instead_of=temporary):
            temporary.touch(mode=mode, exist_ok=False)
            temporary.write_bytes(content)
            _flush(temporary)
            # Unlike a rename, a link replaces no file that another process made meanwhile.
            os.link(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        PARTIAL.discard(temporary)
    _flush(target.parent)


def _beside(target: Path) -> Path:
    """Return a temporary path in the folder of `target`.

    Its name is hidden: programs that list the folder do not take a half-written file for a finished one.
    """
    return target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def _flush(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
