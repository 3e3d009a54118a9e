"""Starts the next candidate's sandbox in advance, while the current candidate is played."""

import contextlib
import queue
import threading
from multiprocessing import util
from typing import NamedTuple

from sandbox.backends.base import Backend, Limits, RunningSandbox, SandboxUnavailable

_CLOSE_SECONDS = 30.0


class _Ready(NamedTuple):
    limits: Limits
    running: RunningSandbox


class WarmBackend(Backend):
    """A backend that keeps one sandbox of another backend started in advance; no candidate has been loaded in it."""

    def __init__(self, backend: Backend) -> None:
        """Wrap `backend`; nothing is started before the first `launch`."""
        self.name = backend.name
        self._backend = backend
        self._lock = threading.Lock()
        self._ready: list[_Ready] = []
        self._orders: queue.SimpleQueue[Limits | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Runs at the end of job processes too, where `atexit` does not.
        util.Finalize(self, self.close, exitpriority=10)

    def why_not(self) -> str | None:
        """Return the wrapped backend's reason."""
        return self._backend.why_not()

    def limits_are(self) -> str:
        """Return the wrapped backend's limits."""
        return self._backend.limits_are()

    def launch(self, limits: Limits) -> RunningSandbox:
        """Return the sandbox that is ready, or start one. Raises SandboxUnavailable."""
        with self._lock:
            ready = self._ready.pop() if self._ready else None
            if self._thread is None:
                # A single permanent thread: a bubblewrap sandbox ends with the thread that started it.
                self._thread = threading.Thread(target=self._start_ahead, name="warm sandboxes", daemon=True)
                self._thread.start()
        if ready is not None and (ready.limits != limits or not ready.running.alive):
            ready.running.kill()
            ready = None
        running = self._backend.launch(limits) if ready is None else ready.running
        self._orders.put(limits)
        return running

    def close(self) -> None:
        """End the sandbox that was started in advance, and close the wrapped backend. It can be used again."""
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
            # An error will occur again, and be reported, in the next `launch`.
            with contextlib.suppress(SandboxUnavailable, OSError):
                ready = _Ready(limits, self._backend.launch(limits))
                with self._lock:
                    self._ready.append(ready)
