"""The loop against as many independent samples: differences between runs of one explorer and seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats  # type: ignore[import-untyped]

from envdata.scoring import LEVEL, Interval
from graph.study.plan import LOOP, SAMPLING

FIGURES = {
    "gain": "gain of the frontier, search set",
    "search": "selected controller, search set",
    "heldout": "selected controller, held-out set",
}
FEWEST = 3
"""Seeds below which no interval is given."""


@dataclass(frozen=True)
class Beside:
    """The loop less independent sampling, in one figure."""

    explorer: str
    figure: str
    """Of `FIGURES`."""
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    """By seed."""
    mean: Interval | None
    """With Student's 95 % interval over seeds; None with fewer than `FEWEST`."""


def beside(runs: pa.Table) -> list[Beside]:
    """Every explorer that has both, over the seeds that both completed. `runs` are `graph.study.findings.RUNS`."""
    rows = [row for row in runs.to_pylist() if row["complete"]]
    found = []
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
                found.append(Beside(explorer, figure, tuple(pairs), tuple(pairs.values()), _mean(list(pairs.values()))))
    return found


def _mean(values: Sequence[float]) -> Interval | None:
    if len(values) < FEWEST:
        return None
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def as_rows(found: Sequence[Beside]) -> list[dict[str, Any]]:
    """For a page or JSON; differences as fractions."""
    return [
        {
            "explorer": each.explorer,
            "figure": FIGURES[each.figure],
            "seeds": list(each.seeds),
            "differences": list(each.differences),
            "mean": None if each.mean is None else vars(each.mean),
        }
        for each in found
    ]
