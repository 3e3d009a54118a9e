"""The curves of a run as numbers: accuracy, its interval, tokens and sequential tokens, by grid and averaged."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.scoring import interval
from graph.curves import Curve, Questions

FIELDS = ("beta", "tokens", "sequential", "accuracy", "low", "high")
"""What a point's row holds: β (None for a controller that ignores it), mean tokens and sequential tokens of a question,
and the accuracy in percent with its 95 % interval over questions."""

Rows = list[list[float | None]]


def points(curve: Curve, episodes: pa.Table, questions: Questions) -> dict[str, Any]:
    """A curve as `mean`, the rows averaged over grids, and `grids`, those of each; in the order of β.

    `episodes` is the table that the curve was made of.
    """
    sequential = _sequential(episodes, curve, questions.grids)
    accuracy = curve.accuracy_intervals(questions)
    mean = [
        _row(beta, curve.tokens[p], sequential[:, p].mean(), each.value, each.low, each.high)
        for p, (beta, each) in enumerate(zip(curve.betas, accuracy, strict=True))
    ]
    if len(questions.grids) == 1:
        return {"mean": mean, "grids": [mean]}
    return {
        "mean": mean,
        "grids": [_of_grid(curve, questions, grid, sequential[grid]) for grid in range(len(sequential))],
    }


def by_question(curve: Curve) -> list[dict[str, Any]]:
    """For each grid what each question came to: `right` in percent and `tokens`, both (P, Q), rounded."""
    return [
        {"right": np.rint(100 * right).astype(int).tolist(), "tokens": np.rint(tokens).astype(int).tolist()}
        for right, tokens in zip(curve.correct, curve.tokens_by_question, strict=True)
    ]


def knobs(schedules: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """The knobs of a controller over β: by name, one value for each β; None where a schedule leaves one out."""
    names = list(dict.fromkeys(name for schedule in schedules for name in schedule))
    return {name: [_rounded(schedule.get(name)) for schedule in schedules] for name in names}


def _of_grid(curve: Curve, questions: Questions, grid: int, sequential: np.ndarray) -> Rows:
    right = curve.correct[grid]
    resampled = questions.weights(grid) @ right.T
    tokens = curve.tokens_by_question[grid].mean(axis=1)
    rows = []
    for p, beta in enumerate(curve.betas):
        each = interval(float(right[p].mean()), resampled[:, p])
        rows.append(_row(beta, tokens[p], sequential[p], each.value, each.low, each.high))
    return rows


def _sequential(episodes: pa.Table, curve: Curve, grids: Sequence[str]) -> np.ndarray:
    """Mean sequential tokens, shape (G, P)."""
    own = episodes.filter(pc.equal(episodes.column("controller").cast(pa.string()), curve.label))
    plain = pa.table(
        {
            "grid": own.column("grid").cast(pa.string()),
            "beta": own.column("beta"),
            "sequential": own.column("sequential_tokens"),
        }
    )
    means = plain.group_by(["grid", "beta"]).aggregate([("sequential", "mean")]).to_pylist()
    found = {(row["grid"], row["beta"]): row["sequential_mean"] for row in means}
    return np.array([[found[grid, beta] for beta in curve.betas] for grid in grids])


def _row(beta: float | None, tokens: float, sequential: float, *shares: float) -> list[float | None]:
    return [beta, round(float(tokens), 1), round(float(sequential), 1), *(round(100 * share, 2) for share in shares)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
