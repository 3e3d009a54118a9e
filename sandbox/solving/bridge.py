"""The way from the thread of an episode to the event loop of its model (`envdata.live.world.Bridge`)."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_R = TypeVar("_R")

LOOK_SECONDS = 0.05
"""How often a waiting episode looks at whether it is still wanted."""

CANCEL_SECONDS = 30.0
"""How long requests that are cancelled may take to let go of their connections."""


class LoopBridge:
    """Runs work in an event loop, and waits for it as long as `attend` does not object."""

    def __init__(self, loop: asyncio.AbstractEventLoop, attend: Callable[[], None]) -> None:
        """`attend` is called while something is waited for; what it raises ends the work, and then the waiting."""
        self._loop, self._attend = loop, attend

    def run(self, work: Coroutine[Any, Any, _R]) -> _R:
        """Wait for `work`; it has ended when this returns."""
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
