"""Admission control of the endpoint: concurrent questions, waiting questions, and a budget of tokens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from graph.serve.errors import busy


class AdmissionControl:
    """Admits a bounded number of questions, queues a bounded number, and refuses the rest."""

    def __init__(self, at_once: int, queue: int, budget: int | None) -> None:
        """Set the limits.

        Args:
            at_once: Questions that are solved at the same time, at most.
            queue: Questions that wait, at most.
            budget: Tokens generated for all questions together, at most; None is unlimited.
        """
        self.at_once, self.queue, self.budget = at_once, queue, budget
        self._places = asyncio.Semaphore(at_once)
        self.inside = 0
        """Questions being solved or waiting."""
        self.generated = 0
        """Tokens generated so far."""

    def check(self) -> None:
        """Raise Problem (429) if no further question is admitted now."""
        self.check_budget()
        if self.inside >= self.at_once + self.queue:
            raise busy(
                f"{self.at_once} questions are being solved and {self.queue} wait; try again later",
                "rate_limit_exceeded",
            )

    def check_budget(self) -> None:
        """Raise Problem (429) if the budget is spent."""
        if self.budget is not None and self.generated >= self.budget:
            raise busy(
                f"{self.generated:,} tokens were generated, and this endpoint's budget is {self.budget:,}; its "
                "operator can raise it",
                "insufficient_quota",
            )

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it during the block. Raises Problem as `check` does."""
        self.check()
        self.inside += 1
        try:
            async with self._places:
                yield
        finally:
            self.inside -= 1
