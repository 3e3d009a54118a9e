"""Processes of an engine whose process is killed are ended; others are left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envdata.collect.orphans import OrphanWatcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the watcher reads /proc")

PARENT = """
import subprocess, sys, time
from envdata.collect.orphans import OrphanWatcher
sleep = [sys.executable, "-c", "import subprocess, sys, time; "
         "print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"]
def start():
    child = subprocess.Popen(sleep, stdout=subprocess.PIPE, text=True, start_new_session=True)
    return child.pid, int(child.stdout.readline())
other = start()
watcher = OrphanWatcher()
with watcher.loading():
    own = start()
watcher.close()
print(*other, *own, flush=True)
time.sleep(60)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def processes() -> Iterator[list[int]]:
    """A killed parent's children and grandchildren: two that were there before, and two of the engine."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    try:
        yield pids
    finally:
        for pid in pids:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)


def test_the_engines_processes_end_with_a_killed_parent(processes: list[int]) -> None:
    """Even though the engine was closed, since its processes still ran then."""
    deadline = time.monotonic() + 20
    while any(map(is_running, processes[2:])) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [is_running(pid) for pid in processes] == [True, True, False, False]


def test_a_watcher_that_is_closed_ends() -> None:
    watcher = OrphanWatcher()
    with watcher.loading():
        pass
    assert watcher._watcher is not None
    pid = watcher._watcher.pid
    watcher.close()
    watcher.close()
    assert not is_running(pid)
