"""How a run tells what it is doing, to whom it may concern."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from sandbox.evaluate import Progress


class Watcher(Protocol):
    """Somebody who looks at a run's folder whenever there is something new."""

    def finished(self, node: str, number: int) -> None:
        """A node has done its work in round `number`, and its files and the accounting are written."""
        ...


class Teller(Watcher, Protocol):
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

    def finished(self, node: str, number: int) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Watched:
    """A teller, with watchers beside."""

    teller: Teller
    watchers: Sequence[Watcher]

    def say(self, text: str) -> None:
        """To the teller."""
        self.teller.say(text)

    def episodes(self, what: str) -> AbstractContextManager[Progress | None]:
        """The teller's."""
        return self.teller.episodes(what)

    def finished(self, node: str, number: int) -> None:
        """To all."""
        for each in (self.teller, *self.watchers):
            each.finished(node, number)
