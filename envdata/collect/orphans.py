"""Ends the processes that an engine in this process has started, if this process is killed.

vLLM decodes in child processes, which hold the model and the memory of the GPU. A process that is killed cannot end
them, so a watcher does: a small process that notes the children which are started while the model is loaded, waits
for the end of its parent, and then ends those children and theirs. Linux only; elsewhere nothing is started.

The file is the watcher's program too, which needs the standard library alone.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LOOK_SECONDS = 0.5
"""Seconds between two looks at the parent and its children."""
GRACE_SECONDS = 5.0
"""Seconds that processes have to end by themselves after SIGTERM, before SIGKILL."""

CLOSED = b"closed\n"
"""Line that tells the watcher that the engine was closed. A line before it lists the children that were started."""


class OrphanWatcher:
    """Watches the children that are started in the body of `loading`, until `close`."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._watcher: subprocess.Popen[bytes] | None = None
        self._started: dict[int, str] = {}
        """Children that were started, with their times of start."""

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Start the watcher; children that this process starts in the body are ended after a kill."""
        before: dict[int, str] = {}
        if sys.platform == "linux":
            before = _children(os.getpid())
            listed = ",".join(map(str, before))
            self._watcher = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(os.getpid()), listed],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                # A session of its own: Ctrl-C, which this process may survive, does not reach it.
                start_new_session=True,
            )  # fmt: skip
        try:
            yield
        finally:
            if self._watcher is not None:
                ours = {*before, self._watcher.pid}
                self._started = {pid: start for pid, start in _children(os.getpid()).items() if pid not in ours}
                self._tell(" ".join(f"{pid}:{start}" for pid, start in self._started.items()).encode() + b"\n")

    def close(self) -> None:
        """End the watcher, unless children of the engine still run: then it ends after this process."""
        if _alive(self._started):
            return
        self._tell(CLOSED)
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            if watcher.stdin is not None:
                with contextlib.suppress(OSError):
                    watcher.stdin.close()
            watcher.wait()

    def _tell(self, word: bytes) -> None:
        if self._watcher is not None and self._watcher.stdin is not None:
            with contextlib.suppress(OSError):
                self._watcher.stdin.write(word)
                self._watcher.stdin.flush()


def watch(parent: int, before: set[int]) -> None:
    """Note the children of `parent` until it lists them, wait for its end, and end them; return if it closes.

    Args:
        parent: The process that started this one.
        before: Children that it had before; they are left alone.
    """
    noted: dict[int, str] = {}
    told, heard = b"", True
    while os.getppid() == parent and not told.endswith(CLOSED):
        if b"\n" not in told:
            noted |= {pid: start for pid, start in _children(parent).items() if pid not in before | {os.getpid()}}
        if heard:
            more = _read(LOOK_SECONDS)
            heard, told = more != b"", told + (more or b"")
        else:
            # After the end of input only the parent's end is waited for.
            time.sleep(LOOK_SECONDS)
    while heard and (more := _read(0)):
        told += more
    if told.endswith(CLOSED):
        return
    if b"\n" in told:
        pairs = (entry.split(":") for entry in told.decode().split())
        noted = {int(pid): start for pid, start in pairs}
    end_with_descendants(noted)


def _read(seconds: float) -> bytes | None:
    """Return what the parent has written, empty after its end; None if it writes nothing for so many seconds."""
    return os.read(0, 1 << 16) if select.select([0], [], [], seconds)[0] else None


def end_with_descendants(processes: dict[int, str]) -> None:
    """End processes and all their descendants: SIGTERM, and SIGKILL for those that it does not end.

    Args:
        processes: Times of start by process id; an id that another process has by now is left alone.
    """
    started = dict(processes)
    waiting = list(processes)
    while waiting:
        found = _children(waiting.pop())
        waiting += [pid for pid in found if pid not in started]
        started |= found
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE_SECONDS
        for pid in _alive(started):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        while _alive(started) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS / 10)


def _alive(started: dict[int, str]) -> list[int]:
    return [pid for pid, start in started.items() if (found := _status(pid)) is not None and found[1] == start]


def _children(parent: int) -> dict[int, str]:
    """Return the children of a process, with their times of start."""
    listed = (int(name) for name in os.listdir("/proc") if name.isdigit())
    found = {pid: status for pid in listed if (status := _status(pid)) is not None}
    return {pid: start for pid, (own_parent, start) in found.items() if own_parent == parent}


def _status(pid: int) -> tuple[int, str] | None:
    """Return a process's parent and time of start; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The program's name stands in parentheses and may contain spaces.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else (int(fields[1]), fields[19])


if __name__ == "__main__":
    watch(int(sys.argv[1]), {int(pid) for pid in sys.argv[2].split(",") if pid})
