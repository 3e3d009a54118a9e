"""The system calls that a forked worker may still make: a seccomp filter, built here because it is 100 lines.

It is an allow list. What it leaves out is refused with EPERM: making processes or threads, sockets, shared memory,
memfds and message queues, signals, tracing, mounts, namespaces, keys, locks, and changing limits. Files can be opened
for reading only. So nothing a controller does outlives its process or reaches a sibling; the conformance suite tries.

The filter is classic BPF over `struct seccomp_data` (linux/seccomp.h): the call's number at offset 0, the architecture
at 4, argument i at 16 + 8·i. Numbers are from the kernel's tables for x86-64 and the generic one (aarch64).
"""

import ctypes
import errno
import os
import struct
from collections.abc import Callable

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7
"""AUDIT_ARCH values (linux/audit.h)."""

_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # The four of the hot path first: the filter is read from the top.
    "read": (0, 63), "write": (1, 64), "futex": (202, 98), "mmap": (9, 222), "munmap": (11, 215), "brk": (12, 214),
    "mremap": (25, 216), "madvise": (28, 233), "mprotect": (10, 226), "close": (3, 57), "fstat": (5, 80),
    "lseek": (8, 62), "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "sched_yield": (24, 124),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, None), "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178),
    "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "exit": (60, 93),
    "exit_group": (231, 94), "uname": (63, 160), "getcwd": (79, 17), "readlink": (89, None), "readlinkat": (267, 78),
    "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291), "access": (21, None),
    "faccessat": (269, 48), "faccessat2": (439, 439), "getdents64": (217, 61), "getrandom": (318, 278),
    "sysinfo": (99, 179), "getrusage": (98, 165), "times": (100, 153), "set_robust_list": (273, 99),
    "rseq": (334, 293), "arch_prctl": (158, None), "poll": (7, None), "ppoll": (271, 73), "select": (23, None),
    "pselect6": (270, 72), "sched_getaffinity": (204, 123), "getrlimit": (97, 163), "getcpu": (309, 168),
    "dup": (32, 23), "recvmsg": (47, 212), "restart_syscall": (219, 128), "set_tid_address": (218, 96),
}  # fmt: skip

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000
"""Flags of open(2) that can write or make a file; the last is O_TMPFILE."""

_FCNTL_ALLOWED = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: no locks, leases, seals or owners."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38


class Unsupported(OSError):
    """This system cannot filter system calls."""


def program(machine: str) -> bytes:
    """The filter for a machine as `os.uname().machine` names it; raises Unsupported for one without a table."""
    if machine == "x86_64":
        column, arch = 0, _X86_64
    elif machine in ("aarch64", "arm64"):
        column, arch = 1, _AARCH64
    else:
        raise Unsupported(f"no system-call table for {machine!r}; there is one for x86_64 and aarch64")
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if column == 0:
        # The x32 ABI numbers the same calls from 2³⁰ on.
        code += [(_AT_LEAST, 0, 1, 1 << 30), (_RETURN, 0, 0, _KILL)]
    for numbers in _ALLOWED.values():
        number = numbers[column]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    refuse, allow = (_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    for number, argument in ((2, 1), (257, 2)) if column == 0 else ((56, 2),):
        code += _checked(number, [_argument(argument), (_ANY_BIT, 0, 1, _WRITING), refuse, allow])
    commands = [(_EQUAL, len(_FCNTL_ALLOWED) - i, 0, value) for i, value in enumerate(_FCNTL_ALLOWED)]
    code += _checked((72, 25)[column], [_argument(1), *commands, refuse, allow])
    # prlimit64 may read limits: its third argument, the new limit, is then a null pointer (both halves of it).
    nothing_new = [(_LOAD, 0, 0, 32), (_EQUAL, 0, 2, 0), (_LOAD, 0, 0, 36), (_EQUAL, 1, 0, 0), refuse, allow]
    code += _checked((302, 261)[column], nothing_new)
    # Newer spellings of calls that are judged by their arguments: libc falls back to the older ones.
    for number in (435, 437):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    code.append(refuse)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def prepared() -> Callable[[], None]:
    """What puts the filter on a process for good, built here so that each worker makes two system calls and no more.

    Raises Unsupported for a machine without a table, and when it is called where the kernel will not.
    """
    code = program(os.uname().machine)
    instructions = ctypes.create_string_buffer(code)
    filter_program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong]

    def confine(_kept: object = instructions) -> None:
        if prctl(_PR_SET_NO_NEW_PRIVS, 1, None, 0, 0) or prctl(
            _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program, 0, 0
        ):
            number = ctypes.get_errno()
            raise Unsupported(number, f"the kernel refuses a seccomp filter ({os.strerror(number)})")

    return confine


def _argument(index: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, 16 + 8 * index)


def _checked(number: int, block: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """`block` for one system call; every way through it returns."""
    return [(_EQUAL, 0, len(block), number), *block]
