"""Restricts the files that a forked worker can open, by a Landlock rule set (Linux 5.13 and later).

The sandbox's file tree is small already; this removes the parts that a container cannot leave out, above all /proc,
where a sibling's memory size, name and command line can be read, so that the sibling could send data that way. Files
below the given folders can be read, everything else is refused whatever its permissions; so are TCP, abstract sockets
and signals to other processes where the kernel supports it (ABI 4 and 6). seccomp forbids those in any case.

Structures are those of linux/landlock.h.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Callable, Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Number of file access rights by ABI version, counted from bit 0; later versions have as many as 5."""


def abi() -> int:
    """Return the kernel's Landlock ABI version, 0 for none."""
    version: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(0, version)


def prepared(readable: Iterable[str], listable: Iterable[str] = ()) -> Callable[[], None] | None:
    """Return a function that restricts the calling process for good; None if the kernel has no Landlock.

    Args:
        readable: Files and folders that can be read afterwards, with everything below them.
        listable: Folders that can be listed, with all folders below them.

    Raises:
        OSError: The kernel has Landlock and refuses; the returned function raises it too.
    """
    version = abi()
    if version == 0:
        return None
    libc = _libc()
    handled = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("=Q", handled)
    if version >= 4:
        attributes += struct.pack("=Q", 0b11)
    if version >= 6:
        attributes += struct.pack("=Q", 0b11)
    made = _checked(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    for path in readable:
        _allow(libc, made, path, _READ_FILE | _READ_DIR)
    for path in listable:
        _allow(libc, made, path, _READ_DIR)
    prctl, syscall = libc.prctl, libc.syscall

    def enter() -> None:
        _checked(prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(syscall(_RESTRICT_SELF, made, 0))

    return enter


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                rights &= ~_READ_DIR
            rule = struct.pack("=Qi", rights, place)
            _checked(libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0))
        finally:
            os.close(place)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
