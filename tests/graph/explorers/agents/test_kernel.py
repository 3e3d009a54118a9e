"""What an agent reaches of the kernel: nothing beyond its namespaces, and each defence is needed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from struct import iter_unpack, pack, unpack_from
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.explorers.agents import confinement, launch, system_calls

PROBE = Path(__file__).with_name("kernel_probe.py")
KEY = "autotts-key-canary-4410"
COLUMN = 0 if os.uname().machine == "x86_64" else 1
NUMBERS = {
    "clone": (56, 220)[COLUMN],
    "ioctl": (16, 29)[COLUMN],
    "personality": (135, 92)[COLUMN],
    **{name: numbers[COLUMN] for name, numbers in system_calls.REFUSED.items()},
}
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000

HOST = f"""
import ctypes, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall({NUMBERS["keyctl"]}, 1, None)
libc.syscall({NUMBERS["add_key"]}, b"user", {KEY.encode()!r}, b"secret", 6, -3)
sys.exit(subprocess.run(sys.argv[1:], check=False).returncode)
"""
"""A host with a key in its session, as a login or a keyring of a desktop leaves it."""


def probed(tmp_path: Path, without: set[str], refused: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the probe says within the confinement."""
    (workspace := tmp_path / "workspace").mkdir()
    (sockets := tmp_path / "sockets").mkdir()
    (sockets / "evaluate").write_text("#!/bin/sh\n")
    numbers = {**NUMBERS, "refused": {name: NUMBERS[name] for name in refused if NUMBERS[name] is not None}}
    python = str(Path(sys.executable).resolve())
    line = confinement.confined_command(
        [python, "/probe.py", json.dumps(numbers), KEY],
        workspace=workspace, sockets=sockets, environment={}, read_only={PROBE: "/probe.py"}, without=without,
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", HOST, *line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.bubblewrap
def test_what_namespaces_do_not_separate_is_refused(tmp_path: Path) -> None:
    said = probed(tmp_path, set(), tuple(system_calls.REFUSED))
    assert set(said.pop("refused").values()) == {"EPERM"}
    assert {name: said.pop(f"socket {name}") for name in system_calls.FAMILIES} == {
        "unix": "ok", "inet": "ok", "inet6": "ok"
    }  # fmt: skip
    assert "ok" not in said.values(), said


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    ("without", "attacks"),
    [
        ({"seccomp"}, ("io_uring", "userfaultfd", "netlink", "addresses that are not random", "a key of one's own")),
        ({"seccomp", "nesting"}, ("a user namespace", "clone of a user namespace")),
        ({"seccomp", "keyring"}, ("a key of the session",)),
    ],
)
def test_without_a_defence_an_attack_succeeds(tmp_path: Path, without: set[str], attacks: tuple[str, ...]) -> None:
    said = probed(tmp_path, without)
    assert {name: said[name] for name in attacks} == dict.fromkeys(attacks, "ok")


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    ("without", "attack"),
    [
        ({"seccomp"}, "a user namespace"),
        ({"seccomp"}, "a key of the session"),
        ({"nesting"}, "a user namespace"),
        ({"keyring"}, "a key of the session"),
    ],
)
def test_each_of_two_defences_holds_alone(tmp_path: Path, without: set[str], attack: str) -> None:
    assert probed(tmp_path, without)[attack] != "ok"


def judged(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter returns for a call, by an interpreter of the five instructions that it is made of."""
    code = list(iter_unpack("<HBBI", system_calls.filter_program(machine)))
    audit = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine] if architecture is None else architecture
    data = pack("<IIQ6Q", number, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    place, loaded = 0, 0
    while True:
        operation, if_true, if_false, constant = code[place]
        place += 1
        if operation == 0x06:
            return int(constant)
        if operation == 0x20:
            (loaded,) = unpack_from("<I", data, constant)
            continue
        holds = {0x15: loaded == constant, 0x25: loaded > constant, 0x45: bool(loaded & constant)}[operation]
        place += if_true if holds else if_false


MACHINES = pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])


@MACHINES
@given(
    number=st.integers(0, 2**32 - 1) | st.integers(0, system_calls.NEWEST),
    arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 3),
)
def test_the_filter_refuses_what_is_listed_and_allows_the_rest(
    machine: str, column: int, number: int, arguments: tuple[int, int, int]
) -> None:
    found = judged(machine, number, *arguments)
    listed = {numbers[column] for numbers in system_calls.REFUSED.values()}
    by_argument = {numbers[column] for numbers in ((56, 220), (41, 198), (53, 199), (16, 29), (135, 92))}
    if number > system_calls.NEWEST or number == 435:
        assert found == REFUSE | errno.ENOSYS
    elif number in listed:
        assert found == REFUSE | errno.EPERM
    elif number not in by_argument:
        assert found == ALLOW


@MACHINES
@pytest.mark.parametrize(
    ("call", "arguments", "refused"),
    [
        ("clone", (0x00010F00,), None),
        ("clone", (17,), None),
        *(("clone", (1 << bit | 17,), errno.EPERM) for bit in (17, 25, 26, 27, 28, 29, 30)),
        ("clone", (1 << 32 | 1 << 28,), errno.EPERM),
        *(("socket", (family, 1, 0), None) for family in (1, 2, 10)),
        *(("socket", (family, 1, 0), errno.EAFNOSUPPORT) for family in (0, 16, 17, 21, 30, 38, 40, 1 << 32 | 40)),
        ("socket", (1 << 32 | 1, 1, 0), None),
        ("socket", (2, 1, 6), None),
        ("socket", (10, 2, 17), None),
        *(("socket", (2, 1, protocol), errno.EPROTONOSUPPORT) for protocol in (1, 132, 136, 255, 262)),
        ("socketpair", (1, 1, 0), None),
        ("socketpair", (30, 1, 0), errno.EAFNOSUPPORT),
        ("ioctl", (0, 0x5401), None),
        *(("ioctl", (0, request), errno.EPERM) for request in (0x5412, 0x541C, 1 << 32 | 0x5412)),
        ("personality", (0xFFFFFFFF,), None),
        ("personality", (0,), None),
        ("personality", (0x0040000,), errno.EPERM),
    ],
)
def test_some_calls_are_judged_by_their_arguments(
    machine: str, column: int, call: str, arguments: tuple[int, ...], refused: int | None
) -> None:
    numbers = {"clone": (56, 220), "socket": (41, 198), "socketpair": (53, 199), "ioctl": (16, 29)}
    number = (numbers | {"personality": (135, 92)})[call][column]
    assert judged(machine, number, *arguments) == (ALLOW if refused is None else REFUSE | refused)


def test_another_architecture_ends_the_program() -> None:
    # i386's calls have other numbers: its 102 is socketcall.
    assert judged("x86_64", 102, architecture=0x40000003) == KILL
    with pytest.raises(system_calls.UnsupportedMachine, match="riscv64"):
        system_calls.filter_program("riscv64")


def test_the_filter_fits_into_a_pipe_and_a_command_line() -> None:
    assert len(system_calls.filter_program("x86_64")) < 4096
    assert launch._KEYCTL["x86_64"] == system_calls.REFUSED["keyctl"][0]
    assert launch._KEYCTL["aarch64"] == system_calls.REFUSED["keyctl"][1]
