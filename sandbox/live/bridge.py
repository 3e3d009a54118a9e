"""Runs coroutines of the model's event loop from the thread of an episode (`envdata.live.branch_source.Bridge`)."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_R = TypeVar("_R")

LOOK_SECONDS = 0.05
"""Seconds between two checks whether a waiting episode was stopped."""

CANCEL_SECONDS = 30.0
"""Seconds that cancelled requests may take to close their connections."""


class LoopBridge:
    """Runs coroutines in an event loop and waits for them, as long as `attend` does not raise."""

    def __init__(self, loop: asyncio.AbstractEventLoop, attend: Callable[[], None]) -> None:
        """Run coroutines in `loop`; an exception of `attend`, which is called while waiting, cancels them."""
        self._loop, self._attend = loop, attend

    def run(self, work: Coroutine[Any, Any, _R]) -> _R:
        """Run `work` to its end and return its result. Raises what `work` or `attend` raises."""
        ended = threading.Event()

        async def watched() -> _R:
            try:
                return await work
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(watched(), self._loop)
        try:
            while True:
                done, _ = concurrent.futures.wait([future], LOOK_SECONDS)
                if done:
                    return future.result()
                self._attend()
        except BaseException:
            if not future.done():
                future.cancel()
                ended.wait(CANCEL_SECONDS)
            raise
