"""Checks whether a grid can tell controllers apart, and whether a held-out set resembles the search set."""

from collections.abc import Iterator, Sequence

import numpy as np

from envdata.grid import Grid
from envdata.grid_statistics import NO_ANSWER_CODE, GridStatistics

SCALE = 2.0
"""Factor between the mean tokens of a branch above which two sets differ in scale."""


def unfit_reasons(statistics: GridStatistics) -> Iterator[tuple[str, str]]:
    """Yield the reasons why no search can learn from a grid, as pairs of a short name and a sentence.

    Yields nothing for a grid that is fit to be searched on.
    """
    questions, branches = len(statistics.grid.questions), len(statistics.question)
    if questions < 2:
        yield (
            "questions",
            "there is one question: it says nothing about other questions, and no figure has an interval",
        )
    if statistics.grid.branches.max() < 2:
        yield "branches", "no question has more than one branch: there is nothing to choose from"
        return
    if not statistics.right.any():
        yield "right answers", f"none of the {branches} branches is ever right: look at the gold answers and their rule"
        return
    if not _differing(statistics):
        yield "answers", "in every question all branches end with the same answer, so that all controllers give it"
    elif statistics.majority.value <= statistics.single.value + 1e-9:
        yield (
            "gain of a majority",
            f"the majority of all branches is right in {100 * statistics.majority.value:.1f} %, one branch in "
            f"{100 * statistics.single.value:.1f} %: more branches gain nothing here",
        )


def _differing(statistics: GridStatistics) -> int:
    """Return the number of questions whose branches do not all end with the same answer, or all without one."""
    kinds = np.unique(np.stack([statistics.question, np.maximum(statistics.final, NO_ANSWER_CODE)]), axis=1)
    return int((np.bincount(kinds[0]) > 1).sum())


def set_differences(search: Sequence[Grid], heldout: Sequence[Grid]) -> Iterator[str]:
    """Yield differences between a search set and a held-out set that make a controller for one unfit for the other.

    Args:
        search: Grids that are searched on.
        heldout: Grids that are held out. Yields nothing where either list is empty.
    """
    if not search or not heldout:
        return
    ours, theirs = ({grid.interval for grid in grids} for grids in (search, heldout))
    if ours != theirs:
        yield (
            f"the interval is {_listed(ours)} tokens in the search set and {_listed(theirs)} in the held-out set: "
            "depths, and what a step costs, are not the same"
        )
    means = [np.concatenate([grid.arrays.tokens for grid in grids]).mean() for grids in (search, heldout)]
    if max(means) > SCALE * min(means):
        yield (
            f"a branch has {means[0]:,.0f} tokens on average in the search set, {means[1]:,.0f} in the held-out set: "
            "a range of tokens that fits the one does not fit the other"
        )


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
