"""Comparison of two controllers on the same episodes: paired differences with intervals over questions."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.intervals import Interval, Paired, paired, paired_costs
from graph.analysis.curves import Curve, Questions
from graph.analysis.objective import Objective
from graph.analysis.saving import saving_interval


class TokenRangeError(ValueError):
    """A range of tokens does not rise, or ends before both controllers have a point."""


@dataclass(frozen=True)
class ComparedPoint:
    """Both controllers at one β each; means over grids."""

    beta_a: float | None
    """None for a controller that ignores β."""
    beta_b: float | None
    accuracy: Paired
    """Accuracies as fractions."""
    tokens: Paired
    """Tokens a question; the superiority is that of spending fewer."""
    only_a: float
    """Share of episodes that a answers rightly and b does not."""
    only_b: float
    """Share of episodes that b answers rightly and a does not."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of controllers a and b."""

    a: Curve
    b: Curve
    points: list[ComparedPoint]
    area: Paired | None
    """Objective `area` of both sweeps over low … high; None if both have one point, or without a range."""
    low: float
    high: float
    """Range of tokens. It starts where both controllers have a point."""
    saving: Interval | None = None
    """Share of B's tokens that A saves at the accuracy of B's best point (`graph.analysis.saving`); None if a point of
    either took no tokens."""


def compare(
    episodes: pa.Table, a: str, b: str, questions: Questions, token_range: tuple[float, float] | None = None
) -> Comparison:
    """Compare two controllers that played the same episodes.

    Points are paired by β; a controller that ignores β is paired with every point of the other.

    Args:
        episodes: Table with the schema `sandbox.results.EPISODES`.
        a: Label of the first controller.
        b: Label of the second controller.
        questions: Questions of the grids.
        token_range: Range of tokens of the area; by default up to the most expensive point of both. It is cut to
            start where both controllers have a point.

    Raises:
        KeyError: A controller has no episodes.
        TokenRangeError: The range does not rise, or ends before both controllers have a point.
    """
    curve_a, curve_b = (Curve.from_episodes(episodes, label, questions.grids) for label in (a, b))
    points = []
    for i, j in _pairs(curve_a, curve_b):
        only_a, only_b = _alone(episodes, (a, curve_a.betas[i]), (b, curve_b.betas[j]))
        points.append(
            ComparedPoint(
                curve_a.betas[i],
                curve_b.betas[j],
                paired(
                    curve_a.accuracies(questions, i), curve_b.accuracies(questions, j),
                    alike=curve_a.same_results(curve_b, i, j),
                ),
                paired_costs(curve_a.costs(questions, i), curve_b.costs(questions, j)),
                only_a,
                only_b,
            )
        )  # fmt: skip
    low, high = _range(curve_a, curve_b, token_range)
    swept = len(curve_a.betas) > 1 or len(curve_b.betas) > 1
    area = None
    if token_range is not None or (swept and 0 < low < high):
        sample_a, sample_b = (Objective("area").sample([each], questions, low, high) for each in (curve_a, curve_b))
        area = paired(sample_a, sample_b, alike=curve_a.same_results(curve_b))
    costly = min(curve_a.tokens.min(), curve_b.tokens.min()) > 0
    saving = saving_interval([curve_a], [], curve_b, questions, 0.0) if costly else None
    return Comparison(curve_a, curve_b, points, area, low, high, saving)


def _range(a: Curve, b: Curve, asked: tuple[float, float] | None) -> tuple[float, float]:
    """Return the range of tokens over which areas are compared."""
    dearer = a if a.tokens.min() >= b.tokens.min() else b
    low, high = float(dearer.tokens.min()), float(max(a.tokens.max(), b.tokens.max()))
    if asked is None:
        return low, high
    if not 0 < asked[0] < asked[1]:
        raise TokenRangeError(f"the range of tokens is {asked[0]:g} … {asked[1]:g}; it must rise from above 0")
    if asked[1] <= low:
        raise TokenRangeError(
            f"the range of tokens ends at {asked[1]:,.0f}, and {dearer.label} spends {low:,.0f} at the least, so that "
            f"nothing can be said of it there; give a range that ends above {low:,.0f}, as {low:.0f}:{high:.0f}"
        )
    return max(low, asked[0]), asked[1]


def _pairs(a: Curve, b: Curve) -> list[tuple[int, int]]:
    if len(a.betas) == 1 or len(b.betas) == 1:
        return [(i, j) for i in range(len(a.betas)) for j in range(len(b.betas))]
    return [(i, b.betas.index(beta)) for i, beta in enumerate(a.betas) if beta in b.betas]


def _alone(episodes: pa.Table, a: tuple[str, float | None], b: tuple[str, float | None]) -> tuple[float, float]:
    """Return the shares of episodes that only a, and only b, answers rightly."""
    right_a, right_b = _right(episodes, *a), _right(episodes, *b)
    return float((right_a & ~right_b).mean()), float((right_b & ~right_a).mean())


def _right(episodes: pa.Table, label: str, beta: float | None) -> np.ndarray:
    """Return whether each episode of a point is right, shape (E,); all controllers have the same order of episodes."""
    own = pc.equal(episodes.column("controller").cast(pa.string()), label)
    column = episodes.column("beta")
    at = pc.is_null(column) if beta is None else pc.fill_null(pc.equal(column, beta), False)
    right: np.ndarray = episodes.filter(pc.and_(own, at)).column("correct").to_numpy()
    return right
