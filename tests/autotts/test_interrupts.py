"""Ctrl-C ends a command in one line with exit code 130, a second one at once, and nothing is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.graph.small import write_small
from tests.graph.test_kill import session_members

ROOT = Path(__file__).parents[2]
HOLDING = """
import sys
from pathlib import Path
from envdata import interrupts
from envdata.atomic import replacing, temporary_folder
from envdata.locks import FolderLock

interrupts.watch()
lock = FolderLock(Path.cwd())
with replacing(Path("result.json")) as temporary, temporary_folder(Path.cwd()) as folder:
    temporary.touch()
    Path(folder, "inner").touch()
    try:
        print("works", flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        try:
            print("ends", flush=True)
            sys.stdin.read()
        except KeyboardInterrupt:
            sys.stdin.read()
"""
COMMAND = """
import sys
import graph.cli
from autotts.__main__ import main

def act():
    try:
        print("works", flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        exec("raise {error}")

graph.cli.main = act
main()
"""


def started(*words: object, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def interrupt(process: subprocess.Popen[str]) -> None:
    # As a terminal does: all processes of its group get it.
    os.killpg(process.pid, signal.SIGINT)


def test_a_second_one_ends_a_process_that_is_ending_and_leaves_no_file(tmp_path: Path) -> None:
    process = started("-c", HOLDING, folder=tmp_path)
    assert process.stdout is not None
    for said in ("works\n", "ends\n"):
        assert process.stdout.readline() == said
        interrupt(process)
    # Before its input is closed, at which it would end.
    assert process.wait() == 130
    assert process.communicate()[1] == "stopped\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ImportError('a module that was cut short')"])
def test_whatever_an_interrupt_becomes_is_one_line(tmp_path: Path, error: str) -> None:
    process = started("-c", COMMAND.format(error=error), folder=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "works\n"
    interrupt(process)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "stopped\n")


@pytest.mark.slow
@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
def test_a_run_is_stopped_at_any_moment_with_right_totals(tmp_path: Path, *, twice: bool) -> None:
    grid, run, inbox = write_small(tmp_path / "grid.parquet"), tmp_path / "run", tmp_path / "inbox"
    short: list[object] = ["--rounds", 1, "--candidates", 2, "--finalists", 1, "--repeats", 2, "--betas", "0,1"]
    begin: list[object] = ["discover", "--grid", grid, *short, "--sandbox", "process", "--jobs", 2]
    begin += ["--explorer", f"folder:{inbox}", "--wait", "--out", run]
    resume: list[object] = ["discover", "--resume", run, "--wait", "--jobs", 2]
    # During imports, at the start, in the baselines, and while it waits for a controller.
    moments: list[Callable[[int], bool]] = [
        lambda pid: "numpy" in Path(f"/proc/{pid}/maps").read_text(),
        lambda _: (run / "run.toml").exists(),
        lambda _: any(b"baselines" in path.read_bytes() for path in run.glob("round-000/transcript.jsonl")),
        lambda _: (inbox / "brief.md").exists(),
    ]
    for moment in moments:
        process = started("-m", "autotts", *(resume if (run / "run.toml").exists() else begin), folder=tmp_path)
        deadline = time.monotonic() + 120
        while not moment(process.pid):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(1 + twice):
            interrupt(process)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        assert errors.splitlines()[-1].startswith("stopped")
        while session_members(process.pid):
            assert time.monotonic() < deadline, session_members(process.pid)
            time.sleep(0.05)
        assert not list(run.rglob(".*")), "a temporary file or a lock is left"
    if not twice:
        assert json.loads((run / "accounting.json").read_text())["total"]["episodes"] > 0
