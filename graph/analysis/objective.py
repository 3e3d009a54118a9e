"""Objectives: the figure of a whole β sweep that the search maximises."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from envdata.errors import UserError
from envdata.intervals import NOTHING, Interval, Sample, bounded, difference, difference_unless_alike
from envdata.scoring import price_weights
from graph.analysis.curves import Curve, Questions
from graph.analysis.saving import saving_interval, saving_sample
from graph.analysis.sweep import accuracy_at_costs, accuracy_less_cost

REFERENCE = "sc"
"""Baseline that `gain` and `saving` compare with: self-consistency, the majority vote over whole branches."""
PARTS = 8
"""Parts of equal width, in log tokens, between neighbouring points, in which the better of two sweeps is taken."""

FORMS = (
    "gain, area, saving@sc, saving@<accuracy> (in percent, as in saving@60), accuracy@<tokens> or gamma:<γ> "
    "(accuracy a token, as in gamma:1e-6)"
)
SMALLEST_PERCENT = 1.0
"""Accuracies of `saving@` below this are taken for shares, and refused."""


class ObjectiveError(UserError, ValueError):
    """An objective cannot be parsed, has no range of tokens, or has no self-consistency to compare with."""


@dataclass(frozen=True)
class Objective:
    """Figure of a sweep; larger is better. Its unit is that of accuracy, or for `saving` a share of tokens."""

    kind: Literal["gain", "area", "gamma", "accuracy", "saving"]
    number: float = 0.0
    """γ in accuracy a token for `gamma`, tokens for `accuracy`, the accuracy as a fraction for `saving`, where 0 stands
    for that of self-consistency."""

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Parse one of `FORMS`. Raises ObjectiveError."""
        if text == "gain":
            return cls("gain")
        if text == "area":
            return cls("area")
        if text == f"saving@{REFERENCE}":
            return cls("saving")
        kind, _, raw = text.partition(":" if text.startswith("gamma:") else "@")
        try:
            number = float(raw)
        except ValueError:
            number = -1.0
        if kind == "gamma" and 0 <= number < float("inf"):
            return cls("gamma", number)
        if kind == "accuracy" and 1 <= number < float("inf"):
            return cls("accuracy", number)
        if kind == "saving" and SMALLEST_PERCENT <= number <= 100:
            return cls("saving", number / 100)
        if kind == "saving" and 0 < number < SMALLEST_PERCENT:
            raise ObjectiveError(f"{text!r}: the accuracy is in percent; give {100 * number:g} for {number:g}")
        raise ObjectiveError(f"{text!r} is not an objective; give {FORMS}")

    @property
    def relative(self) -> bool:
        """Whether it compares with self-consistency, the baseline `REFERENCE`."""
        return self.kind in ("gain", "saving")

    def sample(
        self, curves: Sequence[Curve], questions: Questions, low: float, high: float, reference: Curve | None = None
    ) -> Sample:
        """Return the contribution of each question to the objective of several sweeps taken together.

        `graph.analysis.sweep` describes the estimate, for `saving` `graph.analysis.saving`.

        Args:
            curves: Sweeps; at each price the best of them counts.
            questions: Questions of the grids.
            low: Lower end of the range of `area`, in tokens; other objectives ignore it.
            high: Upper end.
            reference: Sweep of self-consistency; needed if the objective is `relative`.

        Raises:
            ObjectiveError: The objective is relative, and self-consistency has no sweep, or one without a range.
        """
        if self.kind == "gamma":
            return accuracy_less_cost(curves, questions, self.number)
        if self.kind == "accuracy":
            return accuracy_at_costs(curves, questions, np.array([self.number]), np.ones(1), reading="steps")
        if self.kind == "area":
            prices, weights = price_weights(np.concatenate([curve.tokens for curve in curves]), low, high)
            return accuracy_at_costs(curves, questions, prices, weights, reading="points")
        if reference is None:
            raise ObjectiveError(f"{self.kind} compares with self-consistency, and there is no evaluation of sc")
        if self.kind == "saving":
            return saving_sample(curves, reference, questions, self.number)
        every = [*curves, reference]
        low, high = range_of(reference)
        prices, weights = price_weights(np.concatenate([curve.tokens for curve in every]), low, high, parts=PARTS)
        ahead, alone = (
            accuracy_at_costs(each, questions, prices, weights, reading="frontier") for each in (every, [reference])
        )
        return ahead.minus(alone)


@dataclass(frozen=True)
class Scorer:
    """Objective with its range of tokens, which the baselines fix before round 1, and its questions."""

    objective: Objective
    low: float
    high: float
    """Range in tokens."""
    questions: Questions
    reference: Curve | None = None
    """Sweep of self-consistency on the same questions; None where the objective does not compare with it."""
    latency: float = 0.0
    """Share of sequential tokens in the cost, in which all prices are then (`Curve.charged`)."""

    @property
    def comparable(self) -> bool:
        """Whether sweeps can be scored: the objective compares with nothing, or there is self-consistency's sweep."""
        return self.reference is not None or not self.objective.relative

    def on_grid(self, place: int) -> "Scorer":
        """Return the scorer of curves on the grid with index `place` alone (`Curve.on_grid`), with the same range."""
        reference = None if self.reference is None else self.reference.on_grid(place)
        return replace(self, questions=self.questions.on_grid(place), reference=reference)

    def sample(self, *curves: Curve) -> Sample:
        """Return the contribution of each question to the objective of the sweeps taken together."""
        charged = [curve.charged(self.latency) for curve in curves]
        return self.objective.sample(charged, self.questions, self.low, self.high, self._reference)

    def score(self, *curves: Curve) -> float:
        """Return the objective of a sweep, or of several taken together."""
        return self.sample(*curves).mean

    def interval(self, curve: Curve) -> Interval:
        """Return the objective of a sweep with its 95 % interval over questions."""
        if self.objective.kind == "saving":
            return self._saving([curve], [])
        sample = self.sample(curve)
        if self.objective.kind != "gain":
            return bounded(sample)
        # A sweep that self-consistency is preferred to at every price acts as self-consistency does.
        return difference_unless_alike(sample)

    def difference(self, curve: Curve, other: Curve) -> Interval:
        """Return the objective of `curve` less that of `other`, with the paired 95 % interval over questions."""
        return NOTHING if curve.same_results(other) else self.improvement([curve], [other])

    def improvement(self, curves: Sequence[Curve], others: Sequence[Curve]) -> Interval:
        """Return the objective of `curves` together less that of `others` together, with the paired 95 % interval."""
        if self.objective.kind == "saving":
            return self._saving(curves, others)
        return difference(self.sample(*curves).minus(self.sample(*others)))

    def _saving(self, curves: Sequence[Curve], others: Sequence[Curve]) -> Interval:
        reference = self._reference
        assert reference is not None  # noqa: S101 - `sample` would have raised
        mine, theirs = ([curve.charged(self.latency) for curve in each] for each in (curves, others))
        return saving_interval(mine, theirs, reference, self.questions, self.objective.number)

    @property
    def _reference(self) -> Curve | None:
        return None if self.reference is None else self.reference.charged(self.latency)


def range_of(reference: Curve) -> tuple[float, float]:
    """Return the range of tokens of `gain`: from self-consistency's cheapest point, one whole branch, to its dearest.

    Raises:
        ObjectiveError: Its points span no range.
    """
    low, high = float(reference.tokens.min()), float(reference.tokens.max())
    if not 0 < low < high:
        raise ObjectiveError(
            f"self-consistency spends {low:g} … {high:g} tokens, which is no range; give more values of β"
        )
    return low, high


def reference_curve(objective: Objective, episodes: pa.Table, grids: Sequence[str]) -> Curve | None:
    """Return the sweep that an objective compares with; None for an objective that compares with none.

    It is self-consistency's, without the points in which an episode failed, as the wide ones do within a small budget.

    Args:
        objective: The objective.
        episodes: Episodes of the baselines, with the schema `sandbox.results.EPISODES`.
        grids: Paths of the grids.

    Raises:
        ObjectiveError: Self-consistency was not evaluated, has episodes that failed at every point, or spans no range.
    """
    if not objective.relative:
        return None
    try:
        curve = Curve.sound_part(episodes, REFERENCE, grids)
    except KeyError:
        raise ObjectiveError(
            f"{objective.kind} compares with self-consistency, and {REFERENCE} was not evaluated"
        ) from None
    if curve is None:
        raise ObjectiveError(
            f"{objective.kind} compares with self-consistency, which failed at every β; give a larger --budget, or "
            "--objective area"
        )
    if objective.kind == "gain":
        range_of(curve)
    return curve


def token_range(baselines: dict[str, Curve]) -> tuple[float, float]:
    """Return the range of tokens for `area`: from one whole branch to the most expensive point of any baseline.

    One whole branch is the cheapest point of self-consistency (`sc`). If `sc` is missing, for example because it breaks
    the budget, the range starts at the cheapest point of any baseline.

    Args:
        baselines: Curves without failures, by name.

    Raises:
        ObjectiveError: The baselines span no range.
    """
    cheapest = [baselines["sc"]] if "sc" in baselines else list(baselines.values())
    low = float(min(curve.tokens.min() for curve in cheapest))
    high = float(max(curve.tokens.max() for curve in baselines.values()))
    if not 0 < low < high:
        raise ObjectiveError(f"the baselines spend {low:g} … {high:g} tokens, which is no range; give more values of β")
    return low, high
