"""SIGKILL at any moment, and resuming, gives the files that an undisturbed run gives."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.graph.running import autotts, command, files, here

PATIENCE = 120.0
"""Seconds that a moment may take to come."""


def start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def kill_when(process: subprocess.Popen[bytes], moment: Callable[[], bool]) -> bool:
    """SIGKILL the process once the moment has come; False if it ended before."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        if moment():
            process.kill()
            process.wait()
            return True
        assert time.monotonic() < deadline, "the moment to kill did not come"
        time.sleep(0.002)
    return False


def session_members(session: int) -> list[int]:
    """Processes that were started by a killed one, and live on."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, own = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(own) == session and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_an_undisturbed_one(
    tmp_path: Path, options: tuple[object, ...], finished: Path
) -> None:
    run = tmp_path / "run"
    after = random.Random(int.from_bytes(os.urandom(4), "big")).uniform(0.5, 4)
    # In or right after several nodes, in the order in which they come, and once at any time.
    moments: list[Path | float] = [
        run / "run.toml",
        run / "round-000/evaluation.parquet",
        run / "round-001/candidates/r1-02.py",
        run / "round-001/critique.md",
        run / "round-001/metrics.json",
        after,
        run / "heldout.parquet",
    ]
    arguments: tuple[object, ...] = ("discover", *options, "--out", run, "--quiet")
    for moment in moments:
        process = start(*arguments)
        started = time.monotonic()
        if isinstance(moment, Path):
            assert kill_when(process, moment.exists), f"the run ended before there was {moment.name}"
        else:
            kill_when(process, lambda end=started + moment: time.monotonic() > end)  # type: ignore[misc]
        arguments = ("discover", "--resume", run, "--quiet", "--jobs", 1)
    done = autotts(*arguments)
    assert done.returncode == 0, (after, done.stderr)
    assert files(run) == files(finished), after


@pytest.mark.slow
def test_nothing_that_a_killed_run_started_lives_on(tmp_path: Path, options: tuple[object, ...]) -> None:
    run = tmp_path / "run"
    process = start("discover", *options, "--out", run, "--quiet", "--jobs", 2)
    assert kill_when(process, (run / "round-001/candidates/proposals.json").exists)
    deadline = time.monotonic() + 20
    while session_members(process.pid):
        assert time.monotonic() < deadline, session_members(process.pid)
        time.sleep(0.1)


@pytest.mark.slow
def test_two_processes_cannot_go_on_with_one_run(
    tmp_path: Path, options: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    process = start("discover", *options, "--out", run, "--quiet")
    try:
        while not (run / "round-000/transcript.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGSTOP)
        second = here(capsys, "discover", "--resume", run, code=1)
        assert f"process {process.pid} on " in second.err
    finally:
        process.kill()
        process.wait()
