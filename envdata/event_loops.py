"""Coroutines run to their end from code that is not asynchronous itself."""

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_R = TypeVar("_R")


def run_coroutine(work: Coroutine[Any, Any, _R]) -> _R:
    """Return what `work` returns, as `asyncio.run` does, also where an event loop is running in this thread.

    A notebook runs its cells in an event loop, and a thread has at most one that is running: there `work` gets a loop
    in a thread of its own, with this thread's context variables, and this thread waits; nothing else of the running
    loop goes on meanwhile. Raises what `work` raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, "run-coroutine") as threads:
        return threads.submit(context.run, asyncio.run, work).result()
