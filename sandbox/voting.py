"""Votes over answers, for controllers. Standard library alone."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sandbox.branch import Answer


class Poll(NamedTuple):
    """The result of a vote."""

    winner: "Answer | None"
    """The answer with the most votes, the first met among equals; None without votes."""
    votes: float
    """The winner's votes, or the sum of their weights."""
    runner_up: float
    """Votes of the second answer; 0 if there is none."""

    @property
    def confidence(self) -> float:
        """`confidence(votes, runner_up)`; 0 without votes."""
        return confidence(self.votes, self.runner_up) if self.votes else 0.0


class Tally:
    """A vote counted step by step."""

    __slots__ = ("_votes",)

    def __init__(self) -> None:
        """Start without votes."""
        self._votes: dict[Answer, float] = {}

    def add(
        self,
        answers: "Iterable[Answer | None] | Mapping[Answer | None, float]",
        weights: "Iterable[float] | None" = None,
    ) -> None:
        """Count votes. None and answers that are not parsed do not vote.

        Each answer counts 1, or its entry of `weights`; a mapping holds the weight of each answer. Raises ValueError
        unless there are as many weights as answers.
        """
        votes = self._votes
        if isinstance(answers, Mapping):
            if weights is not None:
                raise ValueError("a mapping from answers to weights takes no weights beside it")
            pairs: Iterable[tuple[Answer | None, float]] = answers.items()
        elif weights is None:
            pairs = zip(answers, repeat(1))
        else:
            pairs = zip(answers, weights, strict=True)
        for answer, weight in pairs:
            if answer is not None and answer.parsed:
                votes[answer] = votes.get(answer, 0) + weight

    def poll(self) -> Poll:
        """Return the result so far."""
        votes = self._votes
        if not votes:
            return Poll(None, 0, 0)
        # `max` takes the first of equals, and a dictionary keeps the order of meeting.
        winner = max(votes, key=votes.__getitem__)
        ranked = sorted(votes.values())
        return Poll(winner, ranked[-1], ranked[-2] if len(ranked) > 1 else 0)


def poll(
    answers: "Iterable[Answer | None] | Mapping[Answer | None, float]", weights: "Iterable[float] | None" = None
) -> Poll:
    """Count votes as `Tally.add` does, and return the result."""
    tally = Tally()
    tally.add(answers, weights)
    return tally.poll()


def majority(answers: "Iterable[Answer | None]") -> "Answer | None":
    """Return the most frequent label, the first met among equals; None without votes.

    Labels that are not parsed vote, None does not: this is the vote of the published figures.
    """
    counts = Counter(answers)
    if None in counts:
        del counts[None]
    return max(counts, key=counts.__getitem__) if counts else None


@lru_cache(maxsize=16384)
def confidence(first: float, second: float) -> float:
    """Return P(p > 1/2) for p ~ Beta(first + 1, second + 1): confidence in a lead of `first` over `second` votes.

    For whole numbers it is the binomial tail Σ_{k ≤ first} C(n, k) / 2ⁿ with n = first + second + 1, exactly (the
    stopping rule of Adaptive-Consistency, arXiv 2305.11860). Weighted votes use the regularised incomplete beta
    function by its continued fraction (DLMF 8.17.22). Raises ValueError for negative votes.
    """
    if first < 0 or second < 0:
        raise ValueError(f"confidence({first}, {second}): votes are 0 or more")
    if first == int(first) and second == int(second):
        n = int(first + second) + 1
        tail: int = sum(math.comb(n, k) for k in range(int(first) + 1))
        return tail / (1 << n)
    if first < second:
        return 1.0 - confidence(second, first)
    return 1.0 - _incomplete_beta(first + 1, second + 1)


def _incomplete_beta(a: float, b: float) -> float:
    """Return I_{1/2}(a, b), the distribution function of Beta(a, b) at 1/2, for a ≥ b, where it converges fast."""
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - (a + b) * math.log(2)) / a
    # Evaluated from the back; the terms beyond change nothing by then.
    terms = 20 + int(4 * math.sqrt(a + b))
    fraction = 1.0
    for m in range(terms, 0, -1):
        even = m * (b - m) / 2 / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m - 1) * (a + b + m - 1) / 2 / ((a + 2 * m - 2) * (a + 2 * m - 1))
        fraction = 1.0 + odd / (1.0 + even / fraction)
    return front / fraction
