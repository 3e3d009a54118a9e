"""How much is done at once, and altogether."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from graph.serve.problems import busy


class Gate:
    """Lets some questions be solved at once, some wait, and the rest be refused."""

    def __init__(self, at_once: int, queue: int, budget: int | None) -> None:
        """`budget` is how many tokens may be generated for all questions together; None is without an end."""
        self.at_once, self.queue, self.budget = at_once, queue, budget
        self._places = asyncio.Semaphore(at_once)
        self.inside = 0
        """Questions being solved or waiting."""
        self.generated = 0

    def check(self) -> None:
        """Raise Problem where no further question is taken on now."""
        if self.budget is not None and self.generated >= self.budget:
            raise busy(
                f"{self.generated:,} tokens were generated, and this endpoint's budget is {self.budget:,}; its "
                "operator can raise it",
                "insufficient_quota",
            )
        if self.inside >= self.at_once + self.queue:
            raise busy(
                f"{self.at_once} questions are being solved and {self.queue} wait; try again later",
                "rate_limit_exceeded",
            )

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        self.check()
        self.inside += 1
        try:
            async with self._places:
                yield
        finally:
            self.inside -= 1
