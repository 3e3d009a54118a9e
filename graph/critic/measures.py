"""The critic's measurements of one candidate, typed; useful without any model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from envdata.scoring import Interval, interval
from graph.critic.digest import Digest
from graph.critic.invariance import Invariance
from graph.critic.losses import Against, against
from graph.curves import Curve, together
from graph.objective import Yardstick


@dataclass(frozen=True)
class Contract:
    """Whether it can be played at all."""

    failures: Mapping[str, int]
    """Failed episodes by status; empty for a sound candidate."""
    why: str | None
    """What the first failed episode said."""
    invariance: Invariance | None = None
    """Whether it acts alike when what must not matter is changed; None if that was not tried."""
    same_as: str | None = None
    """An earlier candidate, or a baseline, that acted the same in the screening."""


@dataclass(frozen=True)
class Drop:
    """Two neighbouring β of which the larger one spends less."""

    beta: float
    next_beta: float
    tokens: float
    next_tokens: float


@dataclass(frozen=True)
class Monotonicity:
    """Whether a larger β never spends less, as it is said and as it is done."""

    turning: Sequence[str]
    """Knobs whose schedule goes both ways."""
    drops: Sequence[Drop]
    """Means over the search grids."""
    ignores_beta: bool = False
    """Whether the schedule is the same at every β."""


@dataclass(frozen=True)
class Coverage:
    """How the points of the sweep lie in the range of tokens that the baselines fixed."""

    lowest: float
    highest: float
    """Tokens of the cheapest and the dearest point."""
    share: float
    """The part of the range, in log tokens, that lies between those two."""
    widest_gap: float
    """The largest factor between neighbouring points, and between them and the range's ends."""


@dataclass(frozen=True)
class Measures:
    """All that was measured of one candidate."""

    label: str
    score: Interval
    over_baseline: Interval
    """The objective less that of the best baseline, paired."""
    contract: Contract
    monotonicity: Monotonicity
    coverage: Coverage
    gain: Interval
    """What the objective of the frontier gains from this candidate over everything before, paired."""
    against: Sequence[Against]
    """Its traced points, question by question, beside what the best baseline has for no more."""
    digests: Sequence[Digest]


def measure(
    curve: Curve,
    *,
    yardstick: Yardstick,
    schedules: Sequence[Mapping[str, float]],
    best_baseline: Curve,
    before: Sequence[Curve],
    digests: Sequence[Digest],
    betas: Sequence[float],
    invariance: Invariance | None = None,
    same_as: str | None = None,
) -> Measures:
    """Measure a candidate; `before` are the admissible curves of all earlier rounds and the baselines.

    `schedules` are those at each β of the sweep; `betas` the points that are looked at question by question.
    """
    return Measures(
        label=curve.label,
        score=yardstick.interval(curve),
        over_baseline=yardstick.difference(curve, best_baseline),
        contract=Contract(curve.failures, curve.why, invariance, same_as),
        monotonicity=Monotonicity(turning_knobs(schedules), drops(curve), ignores_beta(schedules)),
        coverage=coverage(curve, yardstick.low, yardstick.high),
        gain=gain(curve, before, yardstick),
        against=against(curve, best_baseline, betas),
        digests=digests,
    )


def turning_knobs(schedules: Sequence[Mapping[str, float]]) -> list[str]:
    """The knobs that rise between some β and fall between others."""
    turning = []
    for name in schedules[0] if schedules else ():
        steps = np.diff([float(schedule.get(name, math.nan)) for schedule in schedules])
        if (steps > 0).any() and (steps < 0).any():
            turning.append(name)
    return turning


def ignores_beta(schedules: Sequence[Mapping[str, float]]) -> bool:
    """Whether the schedules of more than one β are all the same."""
    return len(schedules) > 1 and all(schedule == schedules[0] for schedule in schedules)


def drops(curve: Curve) -> list[Drop]:
    """Where spending falls as β rises."""
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
    """Where the points lie between `low` and `high`, in tokens."""
    tokens = np.sort(curve.tokens)
    at = np.log(np.clip(tokens, low, high))
    share = float((at[-1] - at[0]) / math.log(high / low)) if high > low else 1.0
    gaps = np.diff(np.concatenate([[math.log(low)], at, [math.log(high)]]))
    return Coverage(float(tokens[0]), float(tokens[-1]), round(share, 6), round(math.exp(float(gaps.max())), 4))


def gain(curve: Curve, before: Sequence[Curve], yardstick: Yardstick) -> Interval:
    """What the best of everything gains when `curve` joins it."""
    old, new = together(before), together([*before, curve])
    return interval(yardstick.score(new) - yardstick.score(old), yardstick.resampled(new) - yardstick.resampled(old))
