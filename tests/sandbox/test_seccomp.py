"""The worker's filter, read as the kernel reads it: which calls pass with which arguments, on both machines."""

import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.inside import seccomp

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of a call's numbers, and AUDIT_ARCH."""

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSED = 0x00050000 | errno.EPERM

FUTEX, MMAP, MADVISE, OPENAT, FSTAT, NEWFSTATAT, STATX = (
    (202, 98),
    (9, 222),
    (28, 233),
    (257, 56),
    (5, 80),
    (262, 79),
    (332, 291),
)
FCNTL, CLOCK_GETTIME, CLOCK_NANOSLEEP, GETRANDOM = (72, 25), (228, 113), (230, 115), (318, 278)
SCHED_GETAFFINITY, PRLIMIT64 = (204, 123), (302, 261)

word = st.integers(0, 2**64 - 1)
machines = pytest.mark.parametrize("machine", MACHINES)


def decide(machine: str, numbers: tuple[int, int], *arguments: int) -> int:
    """What the filter returns for a call: classic BPF, as in linux/filter.h, over `struct seccomp_data`."""
    column, arch = MACHINES[machine]
    padded = [argument & (2**64 - 1) for argument in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", numbers[column], arch, 0, *padded)
    program = list(struct.iter_unpack("<HBBI", seccomp.program(machine)))
    at, value = 0, 0
    while True:
        code, yes, no, operand = program[at]
        at += 1
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        elif code == 0x05:
            at += operand
        else:
            true = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += yes if true else no


@machines
@given(operation=st.one_of(st.sampled_from([0, 1, 6, 9, 128, 129, 134, 137, 265, 393]), word), address=word)
def test_futexes_pass_if_they_are_of_one_process(machine: str, operation: int, address: int) -> None:
    passes = operation & 0xFFFFFFFF in (128, 129, 137, 393)
    assert (decide(machine, FUTEX, address, operation) == ALLOW) == passes


@machines
@given(clock=st.integers(-(2**31), 2**31 - 1))
def test_no_clock_of_another_process_or_device_passes(machine: str, clock: int) -> None:
    known = clock in (*range(8), 11)
    assert (decide(machine, CLOCK_GETTIME, clock, 1) == ALLOW) == known
    assert (decide(machine, CLOCK_NANOSLEEP, clock, 0, 1, 1) == ALLOW) == (clock in (0, 1))


@machines
@given(pid=st.integers(0, 2**31 - 1), new=word)
def test_limits_and_processors_are_told_of_oneself_alone(machine: str, pid: int, new: int) -> None:
    assert (decide(machine, SCHED_GETAFFINITY, pid, 128, 1) == ALLOW) == (pid == 0)
    assert (decide(machine, PRLIMIT64, pid, 7, 0, 1) == ALLOW) == (pid == 0)
    assert (decide(machine, PRLIMIT64, 0, 7, new, 1) == ALLOW) == (new == 0)


@machines
@given(descriptor=st.integers(-100, 70))
def test_the_common_output_is_not_looked_at_and_nothing_is_copied(machine: str, descriptor: int) -> None:
    expected = REFUSED if descriptor in (1, 2) else ALLOW
    for numbers in (FSTAT, NEWFSTATAT, STATX):
        assert decide(machine, numbers, descriptor, 1) == expected
    for command in (0, 4, 6, 1024, 1025, 1030, 1031, 1032):
        assert decide(machine, FCNTL, descriptor, command) == REFUSED


@machines
@given(flags=word)
def test_files_are_opened_to_be_read_through_the_cache(machine: str, flags: int) -> None:
    reading = os.O_CLOEXEC | os.O_NONBLOCK | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NOCTTY | 0o100000 | 0o400000
    assert (decide(machine, OPENAT, 0, 1, flags) == ALLOW) == (flags & 0xFFFFFFFF & ~reading == 0)
    for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND, os.O_DIRECT, os.O_PATH, os.O_TMPFILE):
        assert decide(machine, OPENAT, 0, 1, reading | flag) == REFUSED


@machines
def test_memory_that_processes_share_is_not_asked_for(machine: str) -> None:
    private, huge = 0x22, 0x40000
    assert decide(machine, MMAP, 0, 4096, 3, private) == ALLOW
    assert decide(machine, MMAP, 0, 1 << 21, 3, private | huge) == REFUSED
    assert [advice for advice in range(128) if decide(machine, MADVISE, 0, 4096, advice) == ALLOW] == [4, 8, 14]
    assert decide(machine, GETRANDOM, 1, 8, 1) == ALLOW
    assert decide(machine, GETRANDOM, 1, 8, 2) == REFUSED


@machines
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(numbers, id=name)
        for name, numbers in {
            "getrusage": (98, 165),
            "times": (100, 153),
            "sysinfo": (99, 179),
            "getcpu": (309, 168),
            "sched_yield": (24, 124),
            "dup": (32, 23),
            "ppoll": (271, 73),
            "pselect6": (270, 72),
            "mincore": (27, 232),
            "ioctl": (16, 29),
            "clone": (56, 220),
        }.items()
    ],
)
def test_what_is_not_listed_is_refused(machine: str, numbers: tuple[int, int]) -> None:
    assert decide(machine, numbers) == REFUSED


@machines
def test_another_architecture_and_the_x32_numbers_end_the_process(machine: str) -> None:
    other = struct.pack("<I", 0x40000003)
    assert other not in seccomp.program(machine)
    if machine == "x86_64":
        assert decide(machine, (1 << 30, 0)) == KILL


def test_a_machine_without_a_table_is_named() -> None:
    with pytest.raises(seccomp.Unsupported, match="riscv64"):
        seccomp.program("riscv64")
