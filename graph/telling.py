"""How a run tells what it is doing, to whom it may concern."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from sandbox.evaluate import Progress


class Teller(Protocol):
    """Somebody who is told how a run goes on."""

    def say(self, text: str) -> None:
        """A line about what happened."""
        ...

    def episodes(self, what: str) -> AbstractContextManager[Progress | None]:
        """Hand out a function that is told how many episodes are played, of how many."""
        ...


class Silence:
    """Tells nobody."""

    def say(self, text: str) -> None:
        """Nothing."""

    def episodes(self, what: str) -> AbstractContextManager[Progress | None]:
        """Nothing."""
        return nullcontext()
