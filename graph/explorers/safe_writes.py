"""File operations confined to a folder in which another program may write at the same time.

Paths are resolved from open folders, one component at a time, and no link below the root is followed. So a link that
the other program creates between a check and a write has no effect. The root itself is the user's choice.
"""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath

from graph.explorers.base import ExplorerError

_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def write_beneath(root: Path, name: str, content: str | bytes) -> None:
    """Write a file atomically, and create the folders above it.

    Args:
        root: The folder that nothing is written outside of.
        name: Relative path of the file.
        content: Bytes, or text that is written as UTF-8.

    Raises:
        ExplorerError: Something else than a folder stands in the way.
    """
    path = PurePath(name)
    with _opened(root, path.parent.parts) as folder:
        temporary = f".{path.name}.{secrets.token_hex(8)}.tmp"
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(temporary, new, 0o666, dir_fd=folder), "wb") as stream:
                stream.write(content.encode("utf-8") if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise
        os.fsync(folder)


def clear_beneath(root: Path, name: str) -> None:
    """Remove the folder `name` in `root` with its content; a link is left alone. Raises ExplorerError."""
    with _opened(root, ()) as folder:
        shutil.rmtree(name, ignore_errors=True, dir_fd=folder)


def move_beneath(root: Path, names: tuple[str, ...], into: str) -> None:
    """Move files of a folder into a folder below it; missing files are skipped.

    Args:
        root: The folder that has the files.
        names: The files' names.
        into: Relative path of the target folder, which is created if it does not exist.

    Raises:
        ExplorerError: Something else than a folder stands in the way.
    """
    with _opened(root, ()) as source, _opened(root, PurePath(into).parts) as target:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.replace(name, name, src_dir_fd=source, dst_dir_fd=target)


@contextlib.contextmanager
def _opened(root: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """Yield a descriptor of the folder at a relative path, created if absent; errors name the folder."""
    where = root
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = os.open(root, _FOLDER)
        try:
            for part in parts:
                where = where / part
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno not in _IN_THE_WAY:
            raise
        raise ExplorerError(
            f"{where} is no plain folder, or has one in a file's place ({error.strerror}); remove what is in the way"
        ) from None
