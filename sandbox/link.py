"""What passes between an episode in a controller's process and the world behind it. Standard library alone."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Rows(NamedTuple):
    """What many calls revealed, call after call: each call takes its own entries, and leaves the rest to the others."""

    labels: Iterator[int]
    """An entry for each branch of a call, in its order; −1 where nothing was revealed."""
    confidences: Iterator[float] | None
    """Likewise: mean log-probabilities, NaN where there is none. None if the world has none at all."""
    details: Iterator[int]
    """Of a plain call, the places in it of branches that are at their end or that revealed something new; of any other,
    each branch's depth. Of IN_TURN, how many branches were read, and then their depths. Of ROUNDS, how many rounds were
    taken, branches opened, branches told of, and labels met for the first time; of each branch that is told of, how
    many labels are its own, and its depth; then the new labels."""
    flags: Iterator[int]
    """With each detail: 2 for a branch at its end, plus 1 where what was revealed is an answer at all."""


Reply = tuple[int, int, int, Rows]
"""What came back for one call: the refusal; the episode's tokens after it; how many details it has if it is plain, −1
if it is not, −2 for ROUNDS, −3 for IN_TURN; its rows.

A call is plain if each of its branches went on by one interval and was looked at. ROUNDS tells each branch's labels
together, those that are listed first, then those that were opened."""


class Link(Protocol):
    """How an episode's actions reach the world, and what comes back."""

    def call(self, episode: int, op: int, probe: bool, count: int, branches: list[int]) -> Reply:
        """Take one action, and wait for what it did."""
        ...

    def post(self, episode: int, op: int, value: int, text: str) -> None:
        """Send PRUNE (value: the branch) or NOTE (text) along, waiting for nothing."""
        ...

    def text(self, episode: int, label: int) -> str | None:
        """How a label is spelt, where the run shows answers."""
        ...

    def tell(self, episode: int, taken: list[int]) -> None:
        """Send along from which sealed branches intervals were taken, in order."""
        ...

    def sealed(self, episode: int) -> dict[int, int]:
        """By branch, the descriptors that its intervals can be taken from, where it was handed out sealed."""
        ...
