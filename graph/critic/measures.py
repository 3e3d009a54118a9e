"""Values that the critic measures of one candidate, and the functions that compute them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from envdata.intervals import Interval
from graph.analysis.curves import Curve
from graph.analysis.objective import Scorer
from graph.critic.invariance import Invariance


@dataclass(frozen=True)
class Contract:
    """Compliance with a controller's contract: failures, invariance, duplicates."""

    failures: Mapping[str, int]
    """Failed episodes by status; empty without failures."""
    why: str | None
    """Message of the first failed episode."""
    invariance: Invariance | None = None
    """Result of the invariance check; None if it was not made."""
    same_as: str | None = None
    """Label of an earlier candidate or a baseline with identical behaviour in the screening."""


@dataclass(frozen=True)
class Drop:
    """Two neighbouring β of which the larger one spends fewer tokens."""

    beta: float
    next_beta: float
    tokens: float
    """Mean tokens a question over the search grids."""
    next_tokens: float


@dataclass(frozen=True)
class Monotonicity:
    """Monotonicity in β of the schedule and of the measured spending."""

    turning: Sequence[str]
    """Names of the knobs whose schedule is not monotone."""
    drops: Sequence[Drop]
    """Neighbouring β where spending falls."""
    ignores_beta: bool = False
    """Whether the schedule is the same at every β."""


@dataclass(frozen=True)
class Coverage:
    """Coverage of the objective's range of tokens by the points of the sweep."""

    lowest: float
    """Tokens of the cheapest point."""
    highest: float
    """Tokens of the most expensive point."""
    share: float
    """Share of the range, in log tokens, between those two."""
    widest_gap: float
    """Largest factor between neighbouring points, the ends of the range included."""


def turning_knobs(schedules: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the names of the knobs that rise between some β and fall between others; one schedule for each β."""
    turning = []
    for name in schedules[0] if schedules else ():
        steps = np.diff([float(schedule.get(name, math.nan)) for schedule in schedules])
        if (steps > 0).any() and (steps < 0).any():
            turning.append(name)
    return turning


def drops(curve: Curve) -> list[Drop]:
    """Return the pairs of neighbouring β where the mean tokens fall as β rises."""
    if len(curve.betas) < 2:
        return []
    order = sorted(range(len(curve.betas)), key=lambda point: curve.betas[point] or 0.0)
    tokens = curve.tokens
    return [
        Drop(curve.betas[a] or 0.0, curve.betas[b] or 0.0, float(tokens[a]), float(tokens[b]))
        for a, b in pairwise(order)
        if tokens[b] < tokens[a]
    ]


def coverage(curve: Curve, low: float, high: float) -> Coverage:
    """Return how the points of a curve cover the range `low` … `high`, in tokens."""
    tokens = np.sort(curve.tokens)
    at = np.log(np.clip(tokens, low, high))
    share = float((at[-1] - at[0]) / math.log(high / low)) if high > low else 1.0
    gaps = np.diff(np.concatenate([[math.log(low)], at, [math.log(high)]]))
    return Coverage(float(tokens[0]), float(tokens[-1]), round(share, 6), round(math.exp(float(gaps.max())), 4))


def gain(curve: Curve, before: Sequence[Curve], scorer: Scorer) -> Interval:
    """Return the gain in the objective of all curves together when `curve` joins those `before`, paired.

    The estimate is cross-fitted, so by chance it may be below 0.
    """
    return scorer.improvement([*before, curve], before)
