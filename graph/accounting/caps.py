"""The limits on what a run may spend, and what is raised when one is reached."""

from dataclasses import dataclass


class CapReached(RuntimeError):
    """The next call might exceed a cap; the message names the cap, what is spent, and what the call might take.

    Raised between calls only. The loop goes to its finale with what it has.
    """

    def __init__(self, cap: str, why: str) -> None:
        super().__init__(f"{cap}: {why}")
        self.cap = cap
        """The setting's name: `max_cost`, `max_minutes` or `max_tokens`."""


@dataclass(frozen=True)
class Caps:
    """Limits over a whole run, over all of its processes; None is no limit."""

    cost: float | None = None
    """US dollars."""
    minutes: float | None = None
    tokens: int | None = None
    """Input and output of all calls."""


@dataclass(frozen=True)
class Worst:
    """What a call may take at most."""

    input: int
    """Tokens, counted before it is sent."""
    output: int
    """Tokens: the limit it is sent with."""
    cost: float | None
    """US dollars; None if the price is unknown."""

    @property
    def tokens(self) -> int:
        """Input and output."""
        return self.input + self.output
