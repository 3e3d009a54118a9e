"""Whose something is that was left behind: a process is found ended where it can be seen, and nowhere else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.backends import ownership
from sandbox.backends.ownership import boot, has_ended, namespace, owner, started

pytestmark = pytest.mark.skipif(not namespace(), reason="/proc does not show this process's PID namespace")


def test_a_living_process_has_not_ended_and_one_that_was_waited_for_has() -> None:
    script = "from sandbox.backends.ownership import owner; print(owner(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        mark = child.stdout.readline().decode().strip()
        assert not has_ended(mark)
        child.communicate(b"\n")
    assert has_ended(mark)


def test_a_number_that_another_process_has_by_now_is_known_by_its_start() -> None:
    place = f"{boot()}:{namespace()}:{os.getpid()}"
    assert not has_ended(f"{place}:{started(os.getpid())}")
    assert has_ended(f"{place}:1")


@given(st.lists(st.sampled_from(["", "1", "4194305", "elsewhere", boot(), namespace()]), max_size=6))
def test_only_marks_of_this_boot_and_namespace_can_have_ended(parts: list[str]) -> None:
    assert not has_ended(":".join(parts)) or parts[:2] == [boot(), namespace()]


def test_the_same_numbers_in_another_namespace_or_boot_are_somebody_elses() -> None:
    for place in (f"{boot()}:1", f"elsewhere:{namespace()}", f"{boot()}:", boot()):
        assert not has_ended(f"{place}:4194305:1")


@pytest.fixture
def proc_of_another_namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As `unshare --pid` leaves it without --mount-proc: /proc/self is what the outer namespace calls this process."""
    real = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: "4194305" if path == "/proc/self" else real(path))
    ownership._owner.cache_clear()
    yield
    ownership._owner.cache_clear()


def test_numbers_of_a_proc_that_is_not_ours_say_nothing(proc_of_another_namespace: None) -> None:
    assert namespace() == ""
    assert not has_ended(owner())
    assert not has_ended(f"{boot()}::4194305:1")


@pytest.mark.skipif(os.getuid() != 0, reason="a PID namespace of its own needs root")
def test_a_process_in_a_namespace_of_its_own_is_not_found_ended() -> None:
    script = "from sandbox.backends.ownership import owner; print(owner())"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    if done.returncode:
        pytest.skip(f"no PID namespace can be made here: {done.stderr.strip()}")
    mark = done.stdout.strip()
    assert mark.split(":")[0] == boot()
    assert not has_ended(mark)
