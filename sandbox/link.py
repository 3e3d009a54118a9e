"""Messages between an episode in a controller's process and the host that serves it. Standard library alone."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class RevealedRows(NamedTuple):
    """Revealed data of all calls of a frame, call after call; each call consumes its own entries from the iterators."""

    labels: Iterator[int]
    """One answer label per branch of a call, in the call's order; −1 where no answer was revealed."""
    confidences: Iterator[float] | None
    """One mean log-probability per branch, NaN where there is none; None if the grid or model has none at all."""
    details: Iterator[int]
    """For a plain call, positions in the call of branches that finished or revealed a new label; for any other call,
    each branch's depth in intervals."""
    flags: Iterator[int]
    """One per detail: 2 for a finished branch, plus 1 where the revealed answer is parsed."""
    signals: Iterator[float]
    """The values that reads of signals asked for, NaN where there is none."""


CallReply = tuple[int, int, int, RevealedRows]
"""Result of one call: (refusal, tokens the episode has spent, number of details or −1 for a call that is not plain,
revealed rows). A call is plain if each of its branches advanced by one interval and was probed."""


class Link(Protocol):
    """Connection of an episode to the host: sends its actions and returns what they revealed."""

    def call(self, episode: int, op: int, probe: bool, count: int, branches: list[int]) -> CallReply:
        """Send one action and wait for its result.

        Args:
            episode: The worker's number of the episode.
            op: Value of `envdata.actions.Op`.
            probe: Whether the branches are probed where they arrive.
            count: Number of branches to open, or length of `branches`.
            branches: Indexes of the branches; empty for BRANCH and READ.
        """
        ...

    def read_signal(self, episode: int, signal: int, wanted: list[int]) -> Iterator[float]:
        """Return values of a signal, branch after branch, of the depths that the episode has reached.

        Args:
            episode: The worker's number of the episode.
            signal: Index of the signal in the job's list.
            wanted: For each branch two entries: its index, and the depth after which values are wanted.
        """
        ...

    def post(self, episode: int, op: int, value: int, text: str) -> None:
        """Send PRUNE (`value` is the branch's index) or NOTE (`text`) with the next frame, without waiting."""
        ...

    def text(self, episode: int, label: int) -> str | None:
        """Return the answer's text where the run shows answers, otherwise None."""
        ...
