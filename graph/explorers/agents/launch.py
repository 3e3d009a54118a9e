"""Program that starts bubblewrap with a new session keyring and a filter of system calls. Standard library only.

    launch.py [--inherit-keyring] FILTER BWRAP ARGUMENT …     FILTER is in base64; "" for none

It is a separate program: the process that starts an agent keeps its keyring, and never has the filter's descriptor.
"""

import base64
import ctypes
import errno
import os
import sys

_KEYCTL = {"x86_64": 250, "aarch64": 219, "arm64": 219}
_JOIN_SESSION_KEYRING = 1


def main(arguments: list[str]) -> None:
    """Replace this process with bubblewrap; `arguments` are those of the command line, as above."""
    if arguments[0] == "--inherit-keyring":
        arguments = arguments[1:]
    else:
        join_new_session_keyring()
    encoded_filter, bwrap, *options = arguments
    if encoded_filter:
        options = ["--seccomp", str(_pipe_with(base64.b64decode(encoded_filter))), *options]
    os.execv(bwrap, [bwrap, *options])  # noqa: S606 - no shell, a program that was found by its path


def join_new_session_keyring() -> None:
    """Replace the session keyring by an empty one, so that the user's keys cannot be read. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_KEYCTL[os.uname().machine], _JOIN_SESSION_KEYRING, None) < 0:
        number = ctypes.get_errno()
        # A kernel without keyrings, or a container that forbids their use: then there are no keys to hide.
        if number not in (errno.ENOSYS, errno.EPERM):
            raise OSError(number, f"no session keyring could be made for the agent ({os.strerror(number)})")


def _pipe_with(data: bytes) -> int:
    """Return an inheritable descriptor that yields `data`, which must not exceed the capacity of a pipe."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    os.set_inheritable(reading, True)
    return reading


if __name__ == "__main__":
    main(sys.argv[1:])
