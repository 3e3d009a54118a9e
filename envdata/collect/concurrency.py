"""Groups of asynchronous requests: failing with one error, and giving results as they finish."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from envdata.collect.engine import CollectError

_R = TypeVar("_R")


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Yield a task group that raises a single CollectError where several of its tasks raised one.

    All tasks of a group meet the same dead server or full disk, so one of their errors tells the cause.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failed:
        error: BaseException | None = failed.subgroup(CollectError)
        if error is None:
            raise
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


async def numbered(requests: Iterable[Coroutine[Any, Any, _R]]) -> AsyncGenerator[list[tuple[int, _R]], None]:
    """Run requests as `as_finished` does and yield each result in a list of its own, with its request's number."""

    async def one(number: int, request: Coroutine[Any, Any, _R]) -> tuple[int, _R]:
        return number, await request

    async with aclosing(as_finished(one(*each) for each in enumerate(requests))) as finished:
        async for result in finished:
            yield [result]


async def as_finished(requests: Iterable[Coroutine[Any, Any, _R]]) -> AsyncGenerator[_R, None]:
    """Run requests concurrently and yield each result when it is there, in the order of finishing.

    Closing the iterator (`contextlib.aclosing`) cancels the requests that still run and waits for their end. The first
    error of a request is raised.
    """
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        for finished in asyncio.as_completed(tasks):
            yield await finished
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
