"""The limits on what a run may spend, and what is raised when one is reached."""

from dataclasses import dataclass


class CapReached(RuntimeError):
    """The next call might exceed a cap; the message names the cap, what is spent, and what the call might take.

    Raised between calls only. The loop goes to its finale with what it has.
    """


@dataclass(frozen=True)
class Caps:
    """Limits over a whole run, over all of its processes; None is no limit."""

    cost: float | None = None
    """US dollars."""
    minutes: float | None = None
    tokens: int | None = None
    """Input and output of all calls."""
