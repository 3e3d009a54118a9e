"""Figures over seeds as series with bands, as data of the page's charts and as rows of tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envdata.episode_state import Floats


@dataclass(frozen=True)
class Series:
    """A line with its band, from the lowest to the highest seed; all of shape (N,)."""

    name: str
    x: Floats
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Chart:
    """A figure of every arm against one quantity."""

    name: str
    """Its element's id."""
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    """One an arm, in the arms' order; empty where an arm has no figure."""
    steps: bool = False
    """Whether a figure holds until the next one."""
    level: str = ""
    """What a y of 0 is, where it is worth a line."""

    @property
    def empty(self) -> bool:
        """Whether no arm has a figure."""
        return not any(len(each.x) for each in self.series)

    def as_data(self) -> dict[str, Any]:
        """For `study.js`; each point is x, mean, lowest and highest."""
        return {
            "name": self.name, "title": self.title, "x": self.x_label, "y": self.y_label, "steps": self.steps,
            "level": self.level, "series": [{"name": each.name, "points": _points(each)} for each in self.series],
        }  # fmt: skip

    def rows(self) -> list[tuple[str, list[str]]]:
        """For each x of any arm: x, and each arm's mean with the lowest and the highest seed."""
        by_arm = [{row[0]: row[1:] for row in _points(each)} for each in self.series]
        every = sorted({x for points in by_arm for x in points})
        return [(f"{x:,.6g}", [_text(points.get(x)) for points in by_arm]) for x in every]


def over_seeds(name: str, runs: Sequence[tuple[Sequence[float], Sequence[float]]], *, steps: bool) -> Series:
    """The runs of several seeds, each as x and y, as one series.

    With `steps` a run's y holds from its x on until the next one, and the runs are compared at every x of any of them,
    up to the x that all have reached; otherwise x are the same counts for all, and a y is averaged over the runs that
    have it.
    """
    if steps:
        end = min(run[0][-1] for run in runs)
        x = np.unique([value for run in runs for value in run[0] if value <= end])
        # Before its first x a run stands where it begins.
        rows = [np.asarray(ys, float)[np.maximum(np.searchsorted(xs, x, side="right") - 1, 0)] for xs, ys in runs]
    else:
        x = np.unique([value for run in runs for value in run[0]])
        rows = [_placed(x, *run) for run in runs]
    values = np.stack(rows)
    kept = ~np.isnan(values).all(axis=0)
    x, values = np.asarray(x, float)[kept], values[:, kept]
    return Series(name, x, np.nanmean(values, axis=0), np.nanmin(values, axis=0), np.nanmax(values, axis=0))


def _placed(x: Floats, xs: Sequence[float], ys: Sequence[float]) -> Floats:
    row = np.full(len(x), np.nan)
    row[np.searchsorted(x, xs)] = [math.nan if y is None else y for y in ys]
    return row


def _points(series: Series) -> list[list[float]]:
    points: list[list[float]] = np.column_stack([series.x, series.mean, series.low, series.high]).tolist()
    return points


def _text(values: Sequence[float] | None) -> str:
    return "–" if values is None else "{:.2f} ({:.2f} … {:.2f})".format(*values)
