"""The seccomp filter of a forked worker: an allow list of system calls.

It allows the calls that Python, numpy and scipy need, with restrictions on arguments where a call can do more. All
others are refused with EPERM: making processes or threads, sockets, shared memory, memfds and message queues, signals,
tracing, mounts, namespaces, keys, locks, and changing limits. Files can be opened for reading only. So nothing a
controller does outlives its process or reaches a sibling, and it cannot observe one: futexes that processes can share,
clocks and limits of other processes, and the kernel's global counters (free memory, load, page faults, the times of the
pipe that all workers print to) are refused too. The conformance suite tries these attacks.

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

Numbers = tuple[int | None, int | None]
"""A system call's number on x86-64 and on aarch64; None where it does not exist."""

_ALLOWED: dict[str, Numbers] = {
    # The two calls of the hot path first: the filter is evaluated from the top.
    "read": (0, 63), "write": (1, 64), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "mprotect": (10, 226), "close": (3, 57), "lseek": (8, 62), "pread64": (17, 67), "readv": (19, 65),
    "writev": (20, 66), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None),
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "exit": (60, 93), "exit_group": (231, 94), "uname": (63, 160),
    "getcwd": (79, 17), "readlink": (89, None), "readlinkat": (267, 78), "stat": (4, None), "lstat": (6, None),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "getdents64": (217, 61),
    "restart_syscall": (219, 128),
}  # fmt: skip

_READING = os.O_CLOEXEC | os.O_NONBLOCK | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NOCTTY | 0o100000 | 0o400000
"""Flags of open(2) that a worker may use: none of them writes, makes a file, or bypasses the page cache. The last two
are O_LARGEFILE on x86-64 and aarch64, which Python's constant does not give."""

_PRIVATE_FUTEXES = (128, 129, 137, 393)
"""FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET with FUTEX_PRIVATE_FLAG, the last on the wall clock too: all that locks
within a process need. Futexes without the flag connect processes through a shared page; those with priority
inheritance (PI) name another process as owner."""

_CLOCKS = (0, 1, 2, 3, 4, 5, 6, 7, 11)
"""CLOCK_REALTIME, _MONOTONIC, _PROCESS_CPUTIME_ID, _THREAD_CPUTIME_ID, _MONOTONIC_RAW, _REALTIME_COARSE,
_MONOTONIC_COARSE, _BOOTTIME, _TAI. Negative ids are processor times of other processes, or devices."""

_ADVICE = (4, 8, 14)
"""MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, which allocators use. Other values share pages or drop those of others."""

_HUGETLB, _GRND_RANDOM = 0x40000, 2
"""MAP_HUGETLB and GRND_RANDOM: huge pages and /dev/random's bytes come from stocks that all processes share."""

_OUTPUT = (1, 2)
"""Descriptors of the pipe that all workers print to; its times tell when another worker printed."""

_LOAD, _JUMP, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38

Instruction = tuple[int, int, int, int]
"""A BPF instruction: code, jump if true, jump if false, operand."""

_REFUSE: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
_PASS: Instruction = (_RETURN, 0, 0, _ALLOW)


class Unsupported(OSError):
    """This system cannot filter system calls."""


def program(machine: str) -> bytes:
    """Return the BPF program of the filter for a machine, named as by `os.uname().machine`.

    Raises Unsupported for a machine without a table of system calls.
    """
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
    plain = [number for numbers in _ALLOWED.values() if (number := numbers[column]) is not None]
    code += [(_EQUAL, len(plain) - i, 0, number) for i, number in enumerate(plain)]
    code += [(_JUMP, 0, 0, 1), _PASS]
    for numbers, block in _judged():
        if (number := numbers[column]) is not None:
            code += [(_EQUAL, 0, len(block), number), *block]
    # clone3 and openat2 pass arguments in memory, which a filter cannot read: libc falls back to the older calls.
    for number in (435, 437):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    code.append(_REFUSE)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _judged() -> list[tuple[Numbers, list[Instruction]]]:
    """Return the calls that are allowed with some arguments, each with its test; every path through a test returns."""
    not_output = _none_of(0, _OUTPUT)
    own = _zero(0)
    """Of the calling process alone, which has number 0."""
    return [
        ((202, 98), _one_of(1, _PRIVATE_FUTEXES)),  # futex
        ((9, 222), _without(3, _HUGETLB)),  # mmap
        ((28, 233), _one_of(2, _ADVICE)),  # madvise
        ((2, None), _without(1, ~_READING)),  # open
        ((257, 56), _without(2, ~_READING)),  # openat
        ((5, 80), not_output),  # fstat
        ((262, 79), not_output),  # newfstatat
        ((332, 291), not_output),  # statx
        (
            (72, 25),
            _one_of(1, (1, 2, 3)),
        ),  # fcntl: F_GETFD, F_SETFD, F_GETFL; no copies, locks, leases, seals or owners
        ((228, 113), _one_of(0, _CLOCKS)),  # clock_gettime
        ((229, 114), _one_of(0, _CLOCKS)),  # clock_getres
        ((230, 115), _one_of(0, (0, 1))),  # clock_nanosleep
        ((318, 278), _without(2, _GRND_RANDOM)),  # getrandom
        ((204, 123), [*own, _PASS]),  # sched_getaffinity
        # prlimit64 reads limits where its third argument, the new limit, is a null pointer (both halves of it).
        ((302, 261), [*own, *_zero(2), *_zero(2, half=4), _PASS]),
    ]


def _one_of(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow a call whose argument is among 32-bit values."""
    found = [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(argument), *found, _REFUSE, _PASS]


def _none_of(argument: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow a call whose argument is not among 32-bit values."""
    found = [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(argument), *found, _PASS, _REFUSE]


def _without(argument: int, flags: int) -> list[Instruction]:
    """Allow a call whose argument has none of the 32-bit flags."""
    return [_argument(argument), (_ANY_BIT, 0, 1, flags & 0xFFFFFFFF), _REFUSE, _PASS]


def _zero(argument: int, half: int = 0) -> list[Instruction]:
    """Refuse a call whose argument is not zero; fall through if it is zero."""
    code, yes, no, at = _argument(argument)
    return [(code, yes, no, at + half), (_EQUAL, 1, 0, 0), _REFUSE]


def prepared() -> Callable[[], None]:
    """Return a function that installs the filter on the calling process for good, with two system calls.

    Raises:
        Unsupported: There is no table for this machine; the returned function raises it if the kernel refuses.
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


def _argument(index: int) -> Instruction:
    """Return the load of an argument's lower 32 bits, which are all that the kernel uses of an int."""
    return (_LOAD, 0, 0, 16 + 8 * index)
