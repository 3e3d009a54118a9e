"""Figures of a study by arm (an explorer under an ablation), as charts and as one row an arm."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from graph.study.charts import Chart, Series, over_seeds
from graph.study.plan import Arm
from graph.study.tables import StudyTables

AXES = {
    "round": ("round", "rounds", False),
    "total_cost": ("US dollars", "money", True),
    "total_tokens": ("tokens of model calls", "tokens", True),
    "total_episodes": ("episodes replayed", "episodes", True),
    "total_minutes": ("minutes", "minutes", True),
}
"""What the gain is drawn against: the column of `rounds`, its label, in a word, and whether steps are drawn."""


def arms_of(found: StudyTables) -> list[Arm]:
    """Return the arms of a study, in the order of its runs."""
    return list(dict.fromkeys(Arm(row["explorer"], row["ablation"]) for row in found.runs.to_pylist()))


def gain_charts(found: StudyTables) -> list[Chart]:
    """Return the gain of the frontier against each axis; empty for an axis on which nothing was spent."""
    arms = arms_of(found)
    return _gains(arms, {arm: rounds_by_run(found.rounds, arm) for arm in arms})


def code_charts(found: StudyTables) -> list[Chart]:
    """Return how far the code of a round's candidates moves, and how many knobs they have."""
    arms, candidates = arms_of(found), found.candidates.to_pylist()
    return [
        _of_candidates(candidates, arms, "moved", "From the nearest earlier source", "distance", np.median),
        _of_candidates(candidates, arms, "moved_from_best", "From the best candidate so far", "distance", np.median),
        _of_candidates(candidates, arms, "knobs", "Knobs, the mean over a round's proposals", "knobs", np.mean),
    ]


def is_of(row: dict[str, Any], arm: Arm) -> bool:
    """Whether a row of a study's table belongs to an arm."""
    return (row["explorer"], row["ablation"]) == (arm.explorer, arm.ablation)


def rounds_by_run(rounds: pa.Table, arm: Arm) -> dict[str, list[dict[str, Any]]]:
    """Return the rounds of each run of an arm, by the run."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rounds.to_pylist():
        if is_of(row, arm):
            found.setdefault(row["run"], []).append(row)
    return found


def arm_summary(runs: Sequence[dict[str, Any]], arm: Arm) -> dict[str, Any]:
    """Return an arm's figures over its complete runs: mean, lowest and highest, or the sum of a count.

    Args:
        runs: Rows with the schema `graph.study.tables.RUNS`.
        arm: The arm.
    """
    own = [row for row in runs if is_of(row, arm)]
    done = [row for row in own if row["complete"]]
    said: dict[str, Any] = {"planned": len(own), "done": len(done)}
    for name in ("gain", "search", "heldout", "heldout_over_baseline", "cost", "tokens", "minutes", "episodes"):
        values = [row[name] for row in done if row[name] is not None]
        said[name] = {"mean": float(np.mean(values)), "low": min(values), "high": max(values)} if values else None
    for name in ("candidates", "failed", "duplicates", "sent_back"):
        said[name] = sum(row[name] for row in done)
    return said


def _gains(arms: Sequence[Arm], rounds: dict[Arm, dict[str, list[dict[str, Any]]]]) -> list[Chart]:
    charts = []
    for column, (label, word, steps) in AXES.items():
        series = []
        for arm in arms:
            kept = [own for own in rounds[arm].values() if all(row[column] is not None for row in own)]
            lines = [([row[column] for row in own], [100 * row["gain"] for row in own]) for own in kept]
            spent = any(xs[-1] > 0 for xs, _ in lines)
            series.append(_series(arm, lines if spent else [], steps=steps))
        name, title = f"gain-{column.removeprefix('total_')}", f"Against {word}"
        charts.append(Chart(name, title, label, "gain, points of the objective", series, steps, "the baselines"))
    return charts


def _of_candidates(
    rows: Sequence[dict[str, Any]], arms: Sequence[Arm], column: str, title: str, label: str, middle: Any
) -> Chart:
    """A figure of the candidates of a round, its middle taken a run, against the round."""
    series = []
    for arm in arms:
        own: dict[str, dict[int, list[float]]] = {}
        for row in rows:
            if is_of(row, arm) and row[column] is not None:
                own.setdefault(row["run"], {}).setdefault(row["round"], []).append(row[column])
        lines = [(list(by), [float(middle(values)) for values in by.values()]) for by in own.values()]
        series.append(_series(arm, lines, steps=False))
    return Chart(column.replace("_", "-"), title, "round", label, series)


def _series(arm: Arm, lines: Sequence[tuple[Sequence[float], Sequence[float]]], *, steps: bool) -> Series:
    if not lines:
        return Series(arm.name, *(np.zeros(0) for _ in range(4)))
    return over_seeds(arm.name, lines, steps=steps)
