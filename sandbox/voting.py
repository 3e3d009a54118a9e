"""How votes stand, for controllers; `sandbox.tts` hands these on. Standard library alone."""

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sandbox.branch import Answer


class Poll(NamedTuple):
    """How a vote stands."""

    winner: "Answer | None"
    """The most frequent answer, the first met among equals; None without votes."""
    votes: int
    """The winner's."""
    runner_up: int
    """Votes of the second most frequent answer, 0 if there is none."""

    @property
    def confidence(self) -> float:
        """How sure the winner is; 0 without votes."""
        return confidence(self.votes, self.runner_up) if self.votes else 0.0


class Tally:
    """A vote that is counted as it comes in; what `poll` says of all its answers together, at any time."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[Answer, int] = {}

    def add(self, answers: "Iterable[Answer | None]") -> None:
        """Count votes; None does not vote."""
        counts = self._counts
        for answer in answers:
            if answer is not None:
                counts[answer] = counts.get(answer, 0) + 1

    def poll(self) -> Poll:
        """How the vote stands."""
        counts = self._counts
        if not counts:
            return Poll(None, 0, 0)
        # The first of equals in the order of the dictionary, which is that of meeting.
        winner = max(counts, key=counts.__getitem__)
        ranked = sorted(counts.values())
        return Poll(winner, ranked[-1], ranked[-2] if len(ranked) > 1 else 0)


def poll(answers: "Iterable[Answer | None]") -> Poll:
    """Count votes; None does not vote."""
    tally = Tally()
    tally.add(answers)
    return tally.poll()


def majority(answers: "Iterable[Answer | None]") -> "Answer | None":
    """The most frequent answer, the first met among equals; None does not vote, and is returned without votes."""
    counts = Counter(answers)
    if None in counts:
        del counts[None]
    return max(counts, key=counts.__getitem__) if counts else None


@lru_cache(maxsize=16384)
def confidence(first: int, second: int) -> float:
    """P(p > 1/2) for p ~ Beta(first + 1, second + 1): how sure an answer with `first` votes is against `second` votes.

    Both parameters are whole, so it is the binomial tail Σ_{k ≤ first} C(n, k) / 2ⁿ with n = first + second + 1 (the
    stopping rule of Adaptive-Consistency, arXiv 2305.11860).
    """
    n = first + second + 1
    tail: int = sum(math.comb(n, k) for k in range(first + 1))
    return tail / (1 << n)
