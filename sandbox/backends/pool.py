"""A sandbox kept ready: while one candidate is played, the next one's sandbox is started."""

import contextlib
import queue
import threading
from multiprocessing import util
from typing import NamedTuple

from sandbox.backends.base import Backend, Limits, Running, SandboxUnavailable

_CLOSE_SECONDS = 30.0


class _Ready(NamedTuple):
    limits: Limits
    running: Running


class WarmBackend:
    """Another backend, with one sandbox started in advance. No candidate has been in it: it was told nothing yet."""

    def __init__(self, backend: Backend) -> None:
        """Nothing is started before the first `launch`."""
        self.name = backend.name
        self._backend = backend
        self._lock = threading.Lock()
        self._ready: list[_Ready] = []
        self._orders: queue.SimpleQueue[Limits | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Runs at the end of job processes too, where `atexit` does not.
        util.Finalize(self, self.close, exitpriority=10)

    def launch(self, limits: Limits) -> Running:
        """The sandbox that is ready, or a new one; raises SandboxUnavailable."""
        with self._lock:
            ready = self._ready.pop() if self._ready else None
            if self._thread is None:
                # One thread for good: a bubblewrap sandbox ends with the thread that started it.
                self._thread = threading.Thread(target=self._start_ahead, name="warm sandboxes", daemon=True)
                self._thread.start()
        if ready is not None and (ready.limits != limits or not ready.running.alive):
            ready.running.kill()
            ready = None
        running = self._backend.launch(limits) if ready is None else ready.running
        self._orders.put(limits)
        return running

    def close(self) -> None:
        """End what was started in advance. The backend can be used again."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._orders.put(None)
            thread.join(_CLOSE_SECONDS)
        with self._lock:
            spare, self._ready = self._ready, []
        for ready in spare:
            ready.running.kill()
        self._backend.close()

    def _start_ahead(self) -> None:
        while (limits := self._orders.get()) is not None:
            if self._ready:
                continue
            # Whatever is wrong is met again, and reported, by the launch that finds nothing ready.
            with contextlib.suppress(SandboxUnavailable, OSError):
                ready = _Ready(limits, self._backend.launch(limits))
                with self._lock:
                    self._ready.append(ready)
