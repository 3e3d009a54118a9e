"""Work of a tool that plays episodes: one at a time, in a thread, with progress, limits and cancellation."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from graph.serve.mcp.errors import tool_errors
from graph.serve.mcp.workplace import ServerSettings
from sandbox.evaluate import Evaluator
from sandbox.replay_player import EvaluationSettings

ToolContext = Context[Any, Any]
Result = TypeVar("Result")


class Progress:
    """Progress callback of the call of a tool: reports each percent, and ends work beyond the limits of the server."""

    def __init__(self, context: ToolContext, settings: ServerSettings, what: str) -> None:
        """Begin the time of the call; `what` names the evaluation to the client."""
        self._context, self._settings = context, settings
        self._until = time.monotonic() + 60 * settings.minutes
        self._reported: tuple[str, int] | None = None
        self.what = what

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` episodes are played.

        Raises:
            ToolError: The episodes or the time exceed the limit, or the client has cancelled the call.
        """
        try:
            anyio.from_thread.check_cancelled()
        except asyncio.CancelledError:
            raise ToolError("the call was cancelled") from None
        if total > self._settings.max_episodes:
            raise ToolError(
                f"{total:,} episodes, and the limit of a call is {self._settings.max_episodes:,}: give fewer "
                "controllers, grids, values of β or repeats; who starts the server raises it by --max-episodes"
            )
        if time.monotonic() > self._until:
            raise self.late()
        at = (self.what, 100 * done // max(1, total))
        if at != self._reported:
            self._reported = at
            anyio.from_thread.run(self._context.report_progress, done, total, f"{self.what}: episodes")

    def late(self) -> ToolError:
        """Return the error of a call that takes too long."""
        return ToolError(
            f"more than {self._settings.minutes:g} minutes, the limit of a call: give fewer controllers, grids, values "
            "of β or repeats; who starts the server raises it by --minutes"
        )


class Work:
    """Runs the work of tools one after the other."""

    def __init__(self, settings: ServerSettings) -> None:
        """Prepare for the calls of a server."""
        self._settings = settings
        self._turn = anyio.Lock()

    async def evaluate(
        self,
        context: ToolContext,
        what: str,
        evaluation: EvaluationSettings,
        act: Callable[[Evaluator, Progress], Result],
    ) -> Result:
        """Return the result of `act`, which plays with an evaluator; a call that ends early ends its processes too.

        Raises:
            ToolError: An error that the caller can mend, or a limit.
        """
        settings = self._settings
        async with self._turn:
            with tool_errors():
                make = partial(Evaluator, evaluation, sandbox=settings.sandbox, jobs=settings.jobs)
                evaluator = await anyio.to_thread.run_sync(make)
                progress = Progress(context, settings, what)
                try:
                    with anyio.fail_after(60 * settings.minutes):
                        return await anyio.to_thread.run_sync(act, evaluator, progress, abandon_on_cancel=True)
                except TimeoutError:
                    raise progress.late() from None
                finally:
                    # The thread of a call that ends early ends with the processes that it waits for.
                    with anyio.CancelScope(shield=True):
                        await anyio.to_thread.run_sync(evaluator.close)

    async def go_on(self, context: ToolContext, act: Callable[[Progress], Result]) -> Result:
        """Return the result of `act`, which goes on with a run; a call that ends early ends with a resumable run.

        Raises:
            ToolError: An error that the caller can mend, or a limit.
        """
        async with self._turn:
            with tool_errors():
                return await anyio.to_thread.run_sync(act, Progress(context, self._settings, "run"))
