"""The frontier: the accuracy-cost points that no other point beats on both, over all rounds and the baselines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from envdata.scoring import pareto
from graph.curves import Curve, Questions, together
from graph.explorers.base import Point

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
    ]
)
"""One row a point, cheapest first. Means over the search grids, accuracies as fractions, 95 % intervals over questions;
`round` is 0 for a baseline."""


def frontier(curves: Sequence[Curve], rounds: Sequence[int], questions: Questions) -> pa.Table:
    """The frontier of curves, each of the round given."""
    points = [(place, point) for place, curve in enumerate(curves) for point in range(len(curve.betas))]
    every = together(curves)
    kept = pareto(every.tokens, every.accuracy).tolist()
    tokens, accuracy = every.resampled(questions)
    rows = []
    for index in kept:
        place, point = points[index]
        low, high = np.quantile(accuracy[:, index], [0.025, 0.975])
        cheap, dear = np.quantile(tokens[:, index], [0.025, 0.975])
        rows.append(
            {
                "controller": curves[place].label,
                "round": rounds[place],
                "beta": curves[place].betas[point],
                "accuracy": float(every.accuracy[index]),
                "accuracy_low": float(low),
                "accuracy_high": float(high),
                "tokens": float(every.tokens[index]),
                "tokens_low": float(cheap),
                "tokens_high": float(dear),
            }
        )
    return pa.Table.from_pylist(rows, FRONTIER)


def read_frontier(path: Path) -> list[Point]:
    """The points of `frontier.parquet`."""
    rows = pq.read_table(path).to_pylist()
    return [Point(row["controller"], row["beta"], row["accuracy"], row["tokens"]) for row in rows]
