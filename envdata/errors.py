"""Base class of errors that a user can mend, and the sentence in which an error is shown."""

import errno
import os


class UserError(Exception):
    """An error that a user can mend; its message is the whole text to show, with the remedy."""


_ROOM, _ELSEWHERE, _FILES = "make room there", "choose a place that can be written", "raise the limit (ulimit -n)"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.ENOENT: _ELSEWHERE,
    errno.ENOTDIR: _ELSEWHERE,
    errno.EISDIR: _ELSEWHERE,
    errno.EEXIST: _ELSEWHERE,
    errno.ENAMETOOLONG: _ELSEWHERE,
    errno.ELOOP: _ELSEWHERE,
    errno.EIO: "the disk, or what it is reached over, is failing",
    errno.ESTALE: "what the disk is reached over is failing",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
}
"""Remedies of system errors that name a file."""
_REMEDIES_WITHOUT_FILE = {
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: "raise the limit on processes (ulimit -u)",
    errno.ENOMEM: "give it more memory",
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
}
"""Remedies of system errors that name no file."""


def sentence(error: BaseException) -> str | None:
    """Return an error as a sentence that names the remedy; None for an error that no user can mend."""
    if isinstance(error, UserError):
        return str(error)
    if not isinstance(error, OSError) or error.errno is None:
        return None
    why, of_all = os.strerror(error.errno), _REMEDIES_WITHOUT_FILE.get(error.errno)
    remedy = of_all if error.filename is None else _REMEDIES.get(error.errno, of_all)
    if remedy is None:
        return None
    return f"{why}; {remedy}" if error.filename is None else f"{os.fsdecode(error.filename)}: {why}; {remedy}"
