"""Run a command as on a machine that denies user namespaces, without changing anything for other processes.

usage: denied.py seccomp COMMAND…    a filter refuses namespaces, as a container's does
       denied.py limit COMMAND…      user 1000 of a user namespace that allows no further one

Standard library only, because it also runs on a machine that has nothing else. Needs no privilege;
Linux on x86-64 or arm64.
"""

import ctypes
import os
import platform
import struct
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
ALL_NAMESPACES = 0x7E020000
NUMBERS = {"x86_64": {"clone": 56, "unshare": 272}, "aarch64": {"clone": 220, "unshare": 97}}
CLONE3 = 435
EPERM, ENOSYS = 1, 38
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def refuse_namespaces() -> None:
    """Install Docker's rule: clone and unshare fail with EPERM where they ask for a namespace, clone3 with ENOSYS."""

    def statement(code: int, value: int) -> bytes:
        return struct.pack("HBBI", code, 0, 0, value)

    def jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    load, equal, any_bit, answer, allow, error = 0x20, 0x15, 0x45, 0x06, 0x7FFF0000, 0x00050000
    number = NUMBERS[platform.machine()]
    program = b"".join(
        (
            statement(load, 0),  # the number of the system call
            jump(equal, CLONE3, 0, 1),
            statement(answer, error | ENOSYS),
            jump(equal, number["unshare"], 0, 1),
            statement(answer, error | EPERM),
            jump(equal, number["clone"], 0, 3),
            statement(load, 16),  # its first argument: the flags
            jump(any_bit, ALL_NAMESPACES, 0, 1),
            statement(answer, error | EPERM),
            statement(answer, allow),
        )
    )
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    check(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, head))


def forbid_more_namespaces() -> None:
    """Become user 1000 of a new user namespace whose own limit of further ones is 0."""
    uid, gid = os.geteuid(), os.getegid()
    check(libc.unshare(CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"1000 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"1000 {gid} 1")
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


if __name__ == "__main__":
    ways = {"seccomp": refuse_namespaces, "limit": forbid_more_namespaces}
    if len(sys.argv) < 3 or sys.argv[1] not in ways:
        raise SystemExit(__doc__)
    ways[sys.argv[1]]()
    os.execvp(sys.argv[2], sys.argv[2:])
