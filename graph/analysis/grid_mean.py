"""Mean over grids of an evaluation, with intervals over the questions of all grids."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from graph.analysis.curves import Curve, Questions
from sandbox.summary import SummaryRow

MEAN = "mean"
"""Grid's name in the row of a mean."""


def mean_rows(rows: Sequence[SummaryRow], episodes: pa.Table, questions: Questions) -> list[SummaryRow]:
    """Return a row of means over grids for each controller and β; none for a single grid.

    Args:
        rows: Summary of `episodes` by grid (`sandbox.summary.summarise`).
        episodes: Table with the schema `sandbox.results.EPISODES`.
        questions: Questions of the grids.
    """
    if len(questions.grids) < 2:
        return []
    means = []
    for label in dict.fromkeys(row.controller for row in rows):
        curve = Curve.from_episodes(episodes, label, questions.grids)
        for beta, accuracy in zip(curve.betas, curve.accuracy_intervals(questions), strict=True):
            own = [row for row in rows if row.controller == label and row.beta == beta]
            failures = sum((Counter(row.failures) for row in own), Counter())
            means.append(
                SummaryRow(
                    controller=label,
                    grid=MEAN,
                    beta=beta,
                    status=max(failures, key=lambda status: failures[status], default="ok"),
                    accuracy=accuracy,
                    tokens=float(np.mean([row.tokens for row in own])),
                    sequential_tokens=float(np.mean([row.sequential_tokens for row in own])),
                    longest_branch=float(np.mean([row.longest_branch for row in own])),
                    branches=float(np.mean([row.branches for row in own])),
                    episodes=sum(row.episodes for row in own),
                    failures=dict(sorted(failures.items())),
                    why=next((row.why for row in own if row.why is not None), None),
                    decoded=_recorded_mean([row.decoded for row in own]),
                    probe_tokens=_recorded_mean([row.probe_tokens for row in own]),
                    probe_prefill=_recorded_mean([row.probe_prefill for row in own]),
                )
            )
    return means


def _recorded_mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where a grid has no value."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
