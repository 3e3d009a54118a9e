"""Observer interface of a run: messages, progress and finished nodes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from sandbox.evaluate import Progress


class NodeObserver(Protocol):
    """Observer of a run's nodes, called each time the run's folder holds something new."""

    def finished(self, node: str, number: int) -> None:
        """Handle the end of the node called `node` in round `number`; its files and the accounting are written."""
        ...


class RunObserver(NodeObserver, Protocol):
    """Observer of a run: its nodes, its messages and the progress of its work."""

    def say(self, text: str) -> None:
        """Handle one line of text about the run."""
        ...

    def progress(self, what: str, unit: str = "episodes") -> AbstractContextManager[Progress | None]:
        """Return a context around the work called `what`; it yields a progress callback that counts units, or None."""
        ...


class SilentObserver:
    """Observer that does nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""

    def progress(self, what: str, unit: str = "episodes") -> AbstractContextManager[Progress | None]:
        """Return a context that yields no progress callback."""
        return nullcontext()

    def finished(self, node: str, number: int) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class ObserverGroup:
    """One run observer together with further node observers."""

    observer: RunObserver
    """Gets everything."""
    node_observers: Sequence[NodeObserver]
    """Get the ends of nodes only."""

    def say(self, text: str) -> None:
        """Pass a message to the run observer."""
        self.observer.say(text)

    def progress(self, what: str, unit: str = "episodes") -> AbstractContextManager[Progress | None]:
        """Return the run observer's context."""
        return self.observer.progress(what, unit)

    def finished(self, node: str, number: int) -> None:
        """Pass the end of a node to all observers."""
        for each in (self.observer, *self.node_observers):
            each.finished(node, number)
