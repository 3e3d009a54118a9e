"""Calls of the event loop to vLLM's thread, which takes them between two steps of the engine."""

import asyncio
import queue
import time
from collections.abc import Callable, Iterator

from envdata.collect.vllm_arguments import Request

EngineCall = Callable[[], None] | Request | None
"""A function to call with the model, a request to decode, or None to end."""

SECONDS_FOR_ALL = 0.25
"""Longest pause of a half empty engine for requests that follow from those that have ended."""

ROUNDS = 16
"""Rounds of the event loop that suffice for the requests that follow from a result; a trace's probes need eight."""


class _Quiet:
    """Marks the place in the queue where the event loop had nothing more to request."""


class EngineQueue:
    """A queue from the event loop to the engine's thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[EngineCall | _Quiet] = queue.SimpleQueue()

    def put(self, order: EngineCall) -> None:
        """Add a call; from any thread."""
        self._queue.put(order)

    def get(self) -> EngineCall:
        """Wait for the next call."""
        while isinstance(order := self._queue.get(), _Quiet):
            pass
        return order

    def before_a_step(self, loop: asyncio.AbstractEventLoop, *, idle: bool, few: bool) -> Iterator[EngineCall]:
        """Yield the calls before the engine's next step, and wait for one while the engine is idle.

        Where requests have ended and left only few, the requests that follow from them are waited for, so that their
        probes run together rather than the first of them in a step of its own, which takes as long as one for all. The
        event loop reports when it has run so many rounds that nothing can follow any more.

        Args:
            loop: The event loop.
            idle: Whether the engine has no requests.
            few: Whether requests have ended and at most half of the engine is in use.
        """
        if idle:
            yield self.get()
        until = time.monotonic() + SECONDS_FOR_ALL
        more = idle or few
        while more and time.monotonic() < until:
            more = False
            quiet = _Quiet()
            loop.call_soon_threadsafe(self._put_after, loop, ROUNDS, quiet)
            try:
                while (order := self._queue.get(timeout=max(until - time.monotonic(), 0.001))) is not quiet:
                    if not isinstance(order, _Quiet):
                        more = True
                        yield order
            except queue.Empty:
                break
        while not self._queue.empty():
            if not isinstance(order := self._queue.get(), _Quiet):
                yield order

    def _put_after(self, loop: asyncio.AbstractEventLoop, rounds: int, quiet: _Quiet) -> None:
        """Put the mark into the queue after so many rounds of the event loop."""
        if rounds:
            loop.call_soon(self._put_after, loop, rounds - 1, quiet)
        else:
            self._queue.put(quiet)
