"""Caps on the spending of a run, and the error that is raised when one is reached."""

from dataclasses import dataclass


class CapReached(RuntimeError):
    """The next call may exceed a cap. The message names the cap, the spending so far, and the call's worst case.

    It is raised between calls only; the loop then goes to its finale.
    """

    def __init__(self, cap: str, why: str) -> None:
        """Name the cap and the reason."""
        super().__init__(f"{cap}: {why}")
        self.cap = cap
        """Name of the setting: `max_cost`, `max_minutes`, `max_tokens` or `max_calls`."""


@dataclass(frozen=True)
class Caps:
    """Caps over a whole run, including all processes that worked on it; None is no cap."""

    cost: float | None = None
    """US dollars."""
    minutes: float | None = None
    tokens: int | None = None
    """Input and output tokens of all calls."""
    calls: int | None = None
    """Calls that were answered, or that may be billed."""


@dataclass(frozen=True)
class WorstCase:
    """Upper bound on the usage of a call."""

    input: int
    """Input tokens, estimated before the request."""
    output: int
    """Output tokens: the limit in the request."""
    cost: float | None
    """US dollars; None if the price is unknown."""

    @property
    def tokens(self) -> int:
        """Input and output tokens."""
        return self.input + self.output
