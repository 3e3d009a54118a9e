"""What the event loop asks of the engine's thread, taken in between two steps of the engine."""

import asyncio
import queue
import time
from collections.abc import Callable, Iterator

from envdata.collect.vllm_words import Request

Order = Callable[[], None] | Request | None
"""Something to be done with the model, something to decode, or the end."""

SECONDS_FOR_ALL = 0.25
"""How long a half empty engine waits at most for what follows from requests that have ended."""

ROUNDS = 16
"""Of the event loop, which ask for all that follows from a result: from a trace to its probes it is eight."""


class _Quiet:
    """Stands in the queue where the event loop had nothing more to ask."""


class Orders:
    """A queue from the event loop to the engine's thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Order | _Quiet] = queue.SimpleQueue()

    def put(self, order: Order) -> None:
        """Ask for something; from any thread."""
        self._queue.put(order)

    def get(self) -> Order:
        """Wait for the next order."""
        while isinstance(order := self._queue.get(), _Quiet):
            pass
        return order

    def before_a_step(self, loop: asyncio.AbstractEventLoop, *, idle: bool, few: bool) -> Iterator[Order]:
        """Give what there is to do before the next step; where the engine is idle, wait for it.

        Where requests have ended and left only few, what follows from them is waited for, too: their probes then run
        together, and not the first of them in a step of its own, which takes as long as one for all. That is known from
        the event loop, which says when it has gone round so often that nothing can follow any more.
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
        if rounds:
            loop.call_soon(self._put_after, loop, rounds - 1, quiet)
        else:
            self._queue.put(quiet)
