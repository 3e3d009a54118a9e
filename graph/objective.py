"""What the search maximises: one figure for a whole β sweep."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from envdata.ledger import Floats
from envdata.scoring import Interval, areas, interval
from graph.curves import Curve, Questions

FORMS = "area, gamma:<γ> (accuracy a token, as in gamma:1e-6) or accuracy@<tokens>"


class ObjectiveError(ValueError):
    """An objective cannot be understood, or has no range to be taken over."""


@dataclass(frozen=True)
class Objective:
    """A figure of a sweep; larger is better, and it reads as an accuracy."""

    kind: Literal["area", "gamma", "accuracy"]
    number: float = 0.0
    """γ in accuracy a token, or the number of tokens."""

    @classmethod
    def parse(cls, said: str) -> "Objective":
        """From `area`, `gamma:<γ>` or `accuracy@<tokens>`. Raises ObjectiveError."""
        if said == "area":
            return cls("area")
        for start, kind in (("gamma:", "gamma"), ("accuracy@", "accuracy")):
            if said.startswith(start):
                try:
                    number = float(said.removeprefix(start))
                except ValueError:
                    break
                if 0 <= number < float("inf") and (kind == "gamma" or number >= 1):
                    return cls("gamma" if kind == "gamma" else "accuracy", number)
        raise ObjectiveError(f"{said!r} is not an objective; give {FORMS}")

    def values(self, tokens: Floats, accuracy: Floats, low: float, high: float) -> Floats:
        """The figure of N sweeps with P points each, (N, P) twice to (N,); `area` alone uses `low` and `high`."""
        if self.kind == "area":
            return areas(tokens, accuracy, low, high)
        if self.kind == "gamma":
            best: Floats = (accuracy - self.number * tokens).max(axis=1)
            return best
        within: Floats = np.where(tokens <= self.number, accuracy, 0.0).max(axis=1)
        return within


@dataclass(frozen=True)
class Yardstick:
    """An objective with all it needs: the range, which the baselines fix before round 1, and the questions."""

    objective: Objective
    low: float
    high: float
    """Tokens."""
    questions: Questions

    def score(self, curve: Curve) -> float:
        """The figure of a candidate's sweep."""
        return float(self.objective.values(curve.tokens[None], curve.accuracy[None], self.low, self.high)[0])

    def resampled(self, curve: Curve) -> Floats:
        """The figure in every resample of the questions, shape (resamples,)."""
        return self.objective.values(*curve.resampled(self.questions), self.low, self.high)

    def interval(self, curve: Curve) -> Interval:
        """The figure with its 95 % interval over questions."""
        return interval(self.score(curve), self.resampled(curve))

    def difference(self, curve: Curve, other: Curve) -> Interval:
        """How much better `curve` is than `other`, with the paired 95 % interval."""
        return interval(self.score(curve) - self.score(other), self.resampled(curve) - self.resampled(other))


def token_range(baselines: dict[str, Curve]) -> tuple[float, float]:
    """The range for `area`: from one branch read whole to the dearest point of any baseline, in tokens.

    One branch read whole is the cheapest point of self-consistency; where that is not among the baselines, as with a
    budget that it breaks, the range begins at the cheapest point of any. Raises ObjectiveError if there is no range.
    """
    cheapest = [baselines["sc"]] if "sc" in baselines else list(baselines.values())
    low = float(min(curve.tokens.min() for curve in cheapest))
    high = float(max(curve.tokens.max() for curve in baselines.values()))
    if not 0 < low < high:
        raise ObjectiveError(f"the baselines spend {low:g} … {high:g} tokens, which is no range; give more values of β")
    return low, high
