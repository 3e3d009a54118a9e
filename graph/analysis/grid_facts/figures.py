"""Ratios of sums over questions, with intervals: the form of every fact on grids.

A fact is Σ part ÷ Σ whole, where each question contributes a part and a whole, such as the number of its branches that
end right and the number of its branches. Each grid has the same weight, each of its questions too. The interval is that
of a ratio estimated from clusters (Cochran 1977, section 6.3): its residuals part − ratio × whole, of which grids with
the same questions share one, vary between questions; Student's factor counts the questions that contribute.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envdata.intervals import Floats, student
from graph.analysis.curves import Questions

Key = tuple[Hashable, ...]
Contribution = tuple[Key, float, float]
"""Key of a fact, and one question's part and whole."""


@dataclass(frozen=True)
class Figure:
    """A ratio over all grids."""

    value: float
    reach: float | None
    """Half the width of the 95 % interval over questions; None where fewer than two questions contribute."""
    by_grid: tuple[float | None, ...]
    """The ratio on each grid; None where no question of it contributes."""


class Sums:
    """Parts and wholes by fact, grid and question."""

    def __init__(self, questions: Questions) -> None:
        """Count nothing yet, for these questions."""
        self._questions = questions
        self._sums: dict[Key, list[Floats]] = {}

    def add(self, grid: int, question: int, contributions: Iterable[Contribution]) -> None:
        """Add what one question contributes.

        Args:
            grid: Number of the grid.
            question: Number of the question.
            contributions: Parts and wholes; those of the same fact are added up.
        """
        for key, part, whole in contributions:
            if key not in self._sums:
                self._sums[key] = [np.zeros((2, len(ids))) for ids in self._questions.ids]
            self._sums[key][grid][:, question] += (part, whole)

    def figures(self) -> Mapping[Key, Figure]:
        """Return the ratios of all facts to which some question contributed a whole above 0."""
        return {
            key: _figure(by_grid, self._questions)
            for key, by_grid in self._sums.items()
            if any(own[1].any() for own in by_grid)
        }


def _figure(by_grid: Sequence[Floats], questions: Questions) -> Figure:
    # Merged over the grids of a set and weighted, so that each grid counts alike.
    merged = [share * own / own.shape[1] for share, own in zip(questions.shares, questions.merge(by_grid), strict=True)]
    part, whole = (float(sum(own[row].sum() for own in merged)) for row in (0, 1))
    ratio = part / whole
    variance = 0.0
    for own in merged:
        count = own.shape[1]
        if count > 1:
            variance += count * float(np.var(own[0] - ratio * own[1], ddof=1))
    contributing = sum(int((own[1] > 0).sum()) for own in merged)
    reach = None
    if contributing > 1:
        reach = student(contributing - 1) * variance**0.5 / whole
    each = tuple(float(own[0].sum() / own[1].sum()) if own[1].any() else None for own in by_grid)
    return Figure(ratio, reach, each)
