"""Curves of a run as rows of numbers: accuracy, its interval, tokens and sequential tokens, by grid and averaged."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envdata.intervals import Sample, bounded_each
from graph.analysis.curves import Curve, Questions

FIELDS = ("beta", "tokens", "sequential", "accuracy", "low", "high")
"""Columns of a point's row: β (None for a controller that ignores it), mean tokens and sequential tokens a question,
and the accuracy in percent with its 95 % interval over questions (None with one question)."""

Rows = list[list[float | None]]


def points(curve: Curve, questions: Questions) -> dict[str, Any]:
    """Return the rows of a curve, `mean` averaged over grids and `grids` for each grid, in the order of β.

    Args:
        curve: The curve.
        questions: Questions of the grids.
    """
    sequential = np.stack([values.mean(axis=1) for values in curve.sequential_by_question])
    accuracy, tokens = curve.accuracy_intervals(questions), curve.tokens
    mean = [
        _row(beta, tokens[p], sequential[:, p].mean(), each.value, each.low, each.high)
        for p, (beta, each) in enumerate(zip(curve.betas, accuracy, strict=True))
    ]
    if len(questions.grids) == 1:
        return {"mean": mean, "grids": [mean]}
    return {
        "mean": mean,
        "grids": [_of_grid(curve, grid, sequential[grid]) for grid in range(len(sequential))],
    }


def by_question(curve: Curve) -> list[dict[str, Any]]:
    """Return for each grid the accuracy in percent, `right`, and `tokens` by question, both (P, Q), rounded."""
    return [
        {"right": np.rint(100 * right).astype(int).tolist(), "tokens": np.rint(tokens).astype(int).tolist()}
        for right, tokens in zip(curve.correct, curve.tokens_by_question, strict=True)
    ]


def knobs(schedules: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """Return the values of each knob over β, by name; None where a schedule lacks it."""
    names = list(dict.fromkeys(name for schedule in schedules for name in schedule))
    return {name: [_rounded(schedule.get(name)) for schedule in schedules] for name in names}


def _of_grid(curve: Curve, grid: int, sequential: np.ndarray) -> Rows:
    right = curve.correct[grid]
    tokens = curve.tokens_by_question[grid].mean(axis=1)
    intervals = bounded_each([Sample((each,)) for each in right])
    return [
        _row(beta, tokens[p], sequential[p], each.value, each.low, each.high)
        for p, (beta, each) in enumerate(zip(curve.betas, intervals, strict=True))
    ]


def _row(beta: float | None, tokens: float, sequential: float, *shares: float | None) -> list[float | None]:
    percent = (None if share is None else round(100 * share, 2) for share in shares)
    return [beta, round(float(tokens), 1), round(float(sequential), 1), *percent]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
