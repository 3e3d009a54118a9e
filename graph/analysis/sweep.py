"""Accuracy of a β sweep at a given cost, estimated without the selection bias of its best point.

At a given cost a user picks the β that was measured best there. The best of several measured points is biased upwards
by the noise that made it the best: in a flat sweep of eleven points, thirty questions and one repeat it was 8 points
above the true accuracy. Two steps remove this bias.

- Accuracy is assumed not to fall with tokens, as a larger β spends more to be right more often: isotonic regression
  averages neighbouring points of which the more expensive one measured worse (`scipy.optimize.isotonic_regression`).
- Cross-fitting: the points to average, and the curve to take at a cost, are chosen for each question from the other
  questions. So noise on a question does not affect the choice that the question is scored by.

The result is one value a question; a figure is their mean, and `envdata.intervals` computes its interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from envdata.intervals import Floats, Sample
from graph.analysis.curves import Curve, Questions

Reading = Literal["steps", "points", "frontier"]
"""How accuracy is read between the points of a sweep: constant from one point to the next; linear in log tokens between
its points; or linear in log tokens between its frontier points, those that no cheaper one is as accurate as. It is
constant after the last point, and 0 before the first."""
EQUAL = 1e-8
"""Accuracies that differ by no more are equal: the regression's slope is smaller."""


@dataclass(frozen=True)
class IsotonicFit:
    """Cross-fitted isotonic regression of a curve for one set of Q questions; its P points are sorted by tokens."""

    tokens: Floats
    """(P,): mean tokens over all questions and grids."""
    others: Floats
    """(Q, P): fitted accuracy over all questions but this one."""
    own: Floats
    """(Q, P): this question's accuracy, averaged over the points that the fit to the others averages."""
    own_tokens: Floats
    """(Q, P): this question's tokens, averaged over the same points."""


def isotonic_fits(curve: Curve, questions: Questions) -> tuple[IsotonicFit, ...]:
    """Return the fits of a curve, one for each set of questions."""
    # Not imported with the command line: it takes half a second.
    from scipy.optimize import isotonic_regression  # type: ignore[import-untyped]

    tokens, accuracy = curve.tokens, curve.accuracy
    order = np.argsort(tokens, kind="stable")
    # Equal neighbours are in order already; a tiny slope keeps the regression from averaging them.
    slope = 1e-9 * np.arange(len(tokens))
    fits: list[IsotonicFit] = []
    sets = zip(questions.shares, questions.merge(curve.correct), questions.merge(curve.tokens_by_question), strict=True)
    for share, correct, spent in sets:
        count = correct.shape[1]
        # A single question cannot be left out; it is scored by its own choice.
        influence = (correct - correct.mean(axis=1, keepdims=True)) / (count - 1) if count > 1 else 0 * correct
        without = (accuracy[:, None] - share * influence)[order].T
        own, own_tokens = correct[order].T, spent[order].T
        fitted, own_fitted, own_tokens_fitted = (np.empty_like(without) for _ in range(3))
        if len(tokens) == 1:
            fits.append(IsotonicFit(tokens, without, own, own_tokens))
            continue
        for question in range(count):
            regression = isotonic_regression(without[question] + slope)
            sizes = np.diff(regression.blocks)
            fitted[question] = regression.x
            own_fitted[question], own_tokens_fitted[question] = (
                np.repeat(np.add.reduceat(values[question], regression.blocks[:-1]) / sizes, sizes)
                for values in (own, own_tokens)
            )
        fits.append(IsotonicFit(tokens[order], fitted, own_fitted, own_tokens_fitted))
    return tuple(fits)


def accuracy_at_costs(
    curves: Sequence[Curve], questions: Questions, prices: Floats, weights: Floats, *, reading: Reading
) -> Sample:
    """Return for each question the weighted mean accuracy of the best curve at several prices.

    Args:
        curves: Sweeps; at each price the one that is best on the other questions is taken, the first of equals.
        questions: Questions of the grids.
        prices: (S,): tokens a question.
        weights: (S,): weights of the prices.
        reading: How a curve is read between its points.
    """
    by_curve = [isotonic_fits(curve, questions) for curve in curves]
    values = []
    for number in range(len(questions.sets)):
        shape = (by_curve[0][number].own.shape[0], len(prices))
        best, own = np.full(shape, -np.inf), np.zeros(shape)
        for fit in (each[number] for each in by_curve):
            reached, at, after, part = _places(fit, prices, reading)
            expected = np.where(reached, _mixed(fit.others, at, after, part), -np.inf)
            own = np.where(expected > best, _mixed(fit.own, at, after, part), own)
            best = np.maximum(best, expected)
        values.append(own @ weights)
    return Sample(tuple(values), questions.shares)


def accuracy_less_cost(curves: Sequence[Curve], questions: Questions, gamma: float) -> Sample:
    """Return for each question its accuracy less γ × its tokens, at the point that is best on the other questions.

    Args:
        curves: Sweeps; all their points are candidates.
        questions: Questions of the grids.
        gamma: γ in accuracy a token.
    """
    by_curve = [isotonic_fits(curve, questions) for curve in curves]
    values = []
    for number in range(len(questions.sets)):
        expected, own = (
            np.concatenate(parts, axis=1)
            for parts in zip(
                *(
                    (fit.others - gamma * fit.tokens, fit.own - gamma * fit.own_tokens)
                    for fit in (each[number] for each in by_curve)
                ),
                strict=True,
            )
        )
        values.append(np.take_along_axis(own, expected.argmax(axis=1)[:, None], axis=1)[:, 0])
    return Sample(tuple(values), questions.shares)


Indices = npt.NDArray[np.intp]


def _places(
    fit: IsotonicFit, prices: Floats, reading: Reading
) -> tuple[npt.NDArray[np.bool_], Indices, Indices, Floats]:
    """Locate prices (S,) among the points of a curve.

    Returns whether any point costs no more, (S,); and for each question the index of the point that is read from, that
    of the next one, and the share of the way to it in log tokens, each (Q, S).
    """
    last = np.searchsorted(fit.tokens, prices, side="right") - 1
    places = np.maximum(last, 0)
    points = np.arange(len(fit.tokens))
    kept = np.ones(fit.others.shape, bool)
    if reading == "frontier":
        kept[:, 1:] = np.diff(fit.others, axis=1) > EQUAL
    at = np.maximum.accumulate(np.where(kept, points, 0), axis=1)[:, places]
    following = np.where(kept, points, len(points))
    following = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    following = np.append(following[:, 1:], np.full((len(following), 1), len(points)), axis=1)[:, places]
    after = np.where(following < len(points), following, at)
    part = np.zeros(at.shape)
    if reading != "steps":
        here, there = fit.tokens[at], fit.tokens[after]
        # Nothing lies between a point that costs nothing and the next one: no share of the way from there has a price.
        rising = (there > here) & (here > 0)
        here, there = np.where(rising, here, 1), np.where(rising, there, 2)
        np.divide(np.log(prices / here), np.log(there / here), out=part, where=rising)
    return last >= 0, at, after, np.clip(part, 0, 1)


def _mixed(values: Floats, at: Indices, after: Indices, part: Floats) -> Floats:
    here, there = (np.take_along_axis(values, places, axis=1) for places in (at, after))
    mixed: Floats = here * (1 - part) + there * part
    return mixed
