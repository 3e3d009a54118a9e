"""Exclusive locks on folders, for one process at a time; and who holds the locks on a file.

The lock is the kernel's (flock) on a file in the folder, so it ends with its process, however that ends. The file names
the holder, for the error message of other processes. It is removed with the lock; a file that a killed process left
behind does not block anybody.
"""

import errno
import fcntl
import os
import socket
from pathlib import Path

from envdata.atomic import PARTIAL

NAME = ".lock"
"""Name of the lock file in the folder."""

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
"""Errors of file systems without locks."""
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_MOST_TEXT = 200


class LockError(Exception):
    """The folder cannot be locked; the message says why, and what to do."""


class LockHeldError(LockError):
    """Another process holds the lock; the message names it, as far as it is known."""


class FolderLock:
    """An exclusive lock on a folder, held until `close` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises LockHeldError if another process holds it, else LockError if it cannot be taken."""
        self._path = folder / NAME
        while True:
            self._descriptor = self._take(folder)
            if self._is_there():
                break
            # The holder removed the file after it was opened here and before it was locked.
            os.close(self._descriptor)
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        except OSError:
            # The text serves messages only: on a full disk the lock holds without it.
            pass
        PARTIAL.add(self._path)

    def close(self) -> None:
        """Release the lock and remove its file."""
        PARTIAL.discard(self._path)
        try:
            if self._is_there():
                self._path.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)

    def _take(self, folder: Path) -> int:
        """Open and lock the file; return its descriptor. Raises as `__init__`."""
        try:
            # For writing: NFS has no exclusive lock on a file that is open for reading alone.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise LockError(f"{folder} cannot be written ({error.strerror}); choose another folder") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            if error.errno in _HELD:
                raise LockHeldError(f"{holder} works in {folder}; wait for it, or end it") from None
            if error.errno in _NO_LOCKS:
                raise LockError(
                    f"the file system of {folder} has no locks ({error.strerror}), and without one two processes could "
                    "write into it at once; choose a folder on another one, such as a local disk"
                ) from None
            raise LockError(f"{folder} cannot be locked ({error.strerror}); choose another folder") from None
        return descriptor

    def _is_there(self) -> bool:
        """Return whether the file at the path is the one that is locked."""
        try:
            present, locked = os.stat(self._path), os.fstat(self._descriptor)
        except OSError:
            return False
        return (present.st_dev, present.st_ino) == (locked.st_dev, locked.st_ino)


def holder_of(folder: Path) -> str | None:
    """Return who holds the lock on a folder, as its file says; None if nobody does, or that cannot be found out."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # Shared: a process that takes the lock in this moment is the only one that is refused.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return _holder(descriptor) if error.errno in _HELD else None
    finally:
        os.close(descriptor)
    return None


def _holder(descriptor: int) -> str:
    """Return the printable text of the lock file, which anybody may have written."""
    try:
        text = os.pread(descriptor, _MOST_TEXT, 0).decode("utf-8", "replace")
    except OSError:
        text = ""
    return "".join(letter for letter in text if letter.isprintable()) or "another process"


def lock_holders(*paths: Path) -> str:
    """Return the text of the other processes that have files locked for writing, as `process 12 (sqlite3) on HOST`.

    Linux lists the locks of this machine in /proc/locks; a holder may also be on another one, or not be listed.
    """
    try:
        table = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
        wanted = {_listed(os.stat(path)) for path in paths if path.exists()}
    except OSError:
        return "another program"
    # 1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF; the process is 0 in another PID namespace.
    locks = [line.split() for line in table.splitlines() if " -> " not in line]
    writing = [words for words in locks if words[3:4] == ["WRITE"] and words[5] in wanted]
    holders = sorted({int(words[4]) for words in writing} - {os.getpid(), 0, -1})
    host = socket.gethostname()
    return ", ".join(f"process {pid}{_program(pid)} on {host}" for pid in holders) or "another program"


def _listed(file: os.stat_result) -> str:
    """Return a file's device and inode as /proc/locks has them."""
    return f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"


def _program(pid: int) -> str:
    """Return the name of a process's program, in parentheses; empty if it is not known."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f" ({''.join(letter for letter in name.strip() if letter.isprintable())})"
