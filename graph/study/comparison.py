"""Comparison of the discovery loop with independent sampling, by paired differences between runs of one seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from envdata.intervals import Interval, student
from graph.study.plan import LOOP, SAMPLING

FIGURES = {
    "gain": "gain of the frontier, search set",
    "search": "selected controller, search set",
    "heldout": "selected controller, held-out set",
}
FEWEST = 3
"""Number of seeds from which an interval is given."""


@dataclass(frozen=True)
class LoopComparison:
    """Differences between the loop and independent sampling in one figure."""

    explorer: str
    figure: str
    """Key of `FIGURES`."""
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    """Loop less sampling for each seed, as fractions."""
    mean: Interval | None
    """Mean with Student's 95 % interval over seeds; None with fewer than `FEWEST` seeds."""


def compare_loop(runs: pa.Table) -> list[LoopComparison]:
    """Return the comparison of each explorer that was run both ways, over the seeds that both completed.

    Args:
        runs: Table with the schema `graph.study.tables.RUNS`.
    """
    rows = [row for row in runs.to_pylist() if row["complete"]]
    comparisons = []
    for explorer in dict.fromkeys(row["explorer"] for row in rows):
        own = [row for row in rows if row["explorer"] == explorer]
        loop, sampling = (
            {row["seed"]: row for row in own if row["ablation"] == ablation} for ablation in (LOOP, SAMPLING)
        )
        for figure in FIGURES:
            pairs = {
                seed: loop[seed][figure] - sampling[seed][figure]
                for seed in loop
                if seed in sampling and loop[seed][figure] is not None and sampling[seed][figure] is not None
            }
            if pairs:
                comparisons.append(
                    LoopComparison(
                        explorer, figure, tuple(pairs), tuple(pairs.values()), mean_over_runs(list(pairs.values()))
                    )
                )
    return comparisons


def mean_over_runs(values: Sequence[float]) -> Interval | None:
    """Return the mean of one value a run with Student's 95 % interval; None with fewer than `FEWEST` values."""
    if len(values) < FEWEST:
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = student(len(values) - 1) * error
    return Interval(mean, mean - reach, mean + reach)


def as_rows(comparisons: Sequence[LoopComparison]) -> list[dict[str, Any]]:
    """Return comparisons as plain JSON for the page; differences are fractions."""
    return [
        {
            "explorer": each.explorer,
            "figure": FIGURES[each.figure],
            "seeds": list(each.seeds),
            "differences": list(each.differences),
            "mean": None if each.mean is None else vars(each.mean),
        }
        for each in comparisons
    ]
