"""The frontier: the points that no other point beats on both accuracy and cost, over all rounds and the baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from envdata.intervals import Floats, bounded, unbounded
from envdata.scoring import pareto
from graph.analysis.curves import Curve, Questions, concatenate

FRONTIER = pa.schema(
    [
        ("controller", pa.string()),
        ("round", pa.int32()),
        ("beta", pa.float64()),
        ("accuracy", pa.float64()),
        ("accuracy_low", pa.float64()),
        ("accuracy_high", pa.float64()),
        ("tokens", pa.float64()),
        ("tokens_low", pa.float64()),
        ("tokens_high", pa.float64()),
        ("sequential", pa.float64()),
    ]
)
"""One row a point, cheapest first. Means over the search grids, accuracies as fractions, 95 % intervals over questions
(null with one question); `round` is 0 for a baseline, `sequential` the sequential tokens. Accuracies are as measured,
with the selection bias of the best of many points; scores have none (`graph.analysis.sweep`)."""


@dataclass(frozen=True)
class Point:
    """One point of a sweep: means over the search grids."""

    label: str
    beta: float | None
    accuracy: float
    """As a fraction."""
    tokens: float
    """Mean tokens a question."""
    sequential: float | None = None
    """Mean sequential tokens a question; None where they are not told."""


@dataclass(frozen=True)
class Sweep:
    """Points of a sweep, over all search grids and on each one."""

    points: Sequence[Point] = ()
    by_grid: Sequence[Sequence[Point]] = ()
    """Points on each grid; empty with one grid."""

    @classmethod
    def of(cls, curve: Curve) -> "Sweep":
        """Return the sweep of a curve."""
        pairs = list(zip(curve.correct, curve.tokens_by_question, strict=True))
        each = [_points(curve, correct.mean(axis=1), spent.mean(axis=1)) for correct, spent in pairs]
        return cls(_points(curve, curve.accuracy, curve.tokens), each if len(each) > 1 else ())


def _points(curve: Curve, accuracy: Floats, tokens: Floats) -> list[Point]:
    pairs = zip(curve.betas, accuracy.tolist(), tokens.tolist(), strict=True)
    return [Point(curve.label, beta, right, spent) for beta, right, spent in pairs]


def frontier(curves: Sequence[Curve], rounds: Sequence[int], questions: Questions, latency: float = 0.0) -> pa.Table:
    """Return the frontier of several curves as a table with the schema `FRONTIER`.

    Args:
        curves: Curves over the search grids.
        rounds: Round of each curve, 0 for a baseline.
        questions: Questions of the search grids.
        latency: Share of sequential tokens in the cost.
    """
    points = [(place, point) for place, curve in enumerate(curves) for point in range(len(curve.betas))]
    every = concatenate(curves)
    kept = pareto(every.charged(latency).tokens, every.accuracy).tolist()
    sequential = every.sequential.tolist() if every.sequential_by_question else [None] * len(points)
    rows = []
    for index in kept:
        place, point = points[index]
        accuracy, tokens = bounded(every.accuracies(questions, index)), unbounded(every.costs(questions, index))
        rows.append(
            {
                "controller": curves[place].label,
                "round": rounds[place],
                "beta": curves[place].betas[point],
                "accuracy": accuracy.value,
                "accuracy_low": accuracy.low,
                "accuracy_high": accuracy.high,
                "tokens": tokens.value,
                "tokens_low": tokens.low,
                "tokens_high": tokens.high,
                "sequential": sequential[index],
            }
        )
    return pa.Table.from_pylist(rows, FRONTIER)
