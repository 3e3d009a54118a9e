"""A sweep read between its points as it was measured, without the corrections of `graph.analysis.sweep`."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envdata.intervals import Sample
from envdata.scoring import pareto
from graph.analysis.curves import Curve, Questions


class Place(NamedTuple):
    """A place on a curve between two of its points."""

    first: int
    """Index of the cheaper point."""
    second: int
    """Index of the dearer one; the same after the last."""
    part: float
    """Share of the way from the first to the second."""


@dataclass(frozen=True)
class MeasuredCurve:
    """A curve that is linear in log tokens between its frontier points, and constant after the last.

    It is constant after a point that costs nothing, too: nothing lies between it and the next one.
    """

    curve: Curve
    points: npt.NDArray[np.intp]
    """Indices of the frontier points, those that no cheaper one is as accurate as, cheapest first."""

    @classmethod
    def of(cls, curve: Curve) -> "MeasuredCurve":
        """Return a curve as it is read."""
        return cls(curve, pareto(curve.tokens, curve.accuracy))

    def at(self, tokens: float) -> Place | None:
        """Return the place at a price in tokens; None below the cheapest point."""
        spent = self.curve.tokens[self.points]
        last = int(np.searchsorted(spent, tokens, side="right")) - 1
        if last < 0:
            return None
        if last + 1 == len(self.points) or spent[last] == 0:
            return Place(int(self.points[last]), int(self.points[last]), 0.0)
        part = float(np.log(tokens / spent[last]) / np.log(spent[last + 1] / spent[last]))
        return Place(int(self.points[last]), int(self.points[last + 1]), part)

    def accuracy(self, place: Place) -> float:
        """Return the mean accuracy at a place."""
        first, second, part = place
        return (1 - part) * float(self.curve.accuracy[first]) + part * float(self.curve.accuracy[second])

    def accuracies(self, questions: Questions, place: Place) -> Sample:
        """Return the accuracy of each question at a place."""
        first, second = (self.curve.accuracies(questions, point) for point in place[:2])
        pairs = zip(first.values, second.values, strict=True)
        return Sample(tuple((1 - place.part) * a + place.part * b for a, b in pairs), first.shares)

    def tokens_for(self, accuracy: float) -> float | None:
        """Return the tokens at which the curve reaches an accuracy; None if it does not."""
        right, spent = self.curve.accuracy[self.points], self.curve.tokens[self.points]
        at = int(np.searchsorted(right, accuracy, side="left"))
        if at == len(self.points):
            return None
        if at == 0 or spent[at - 1] == 0:
            return float(spent[at])
        part = (accuracy - right[at - 1]) / (right[at] - right[at - 1])
        return float(spent[at - 1] * (spent[at] / spent[at - 1]) ** part)
