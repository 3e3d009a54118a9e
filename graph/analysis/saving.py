"""Share of self-consistency's tokens that sweeps save at an accuracy, read off their frontiers in log tokens.

A sweep reaches an accuracy at the tokens at which the line through its frontier points, linear in log tokens, does. The
saving is 1 less these tokens over those of self-consistency. Since users can fall back on self-consistency, a sweep
that is dearer there, or never reaches the accuracy, saves 0. Where self-consistency does not reach the accuracy, the
tokens of its most accurate point stand for its own, so that the saving is understated.

The figure is no mean over questions, so that its interval comes from a Bayesian bootstrap: the figure is computed for
random weights of the questions, the same for all sweeps, so that differences are paired. In draws in which a sweep does
not reach the accuracy it saves 0, and the interval shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envdata.intervals import Floats, Interval, Sample, percentiles, question_weights
from graph.analysis.curves import Curve, Questions

ROUNDING = 1e-12
"""Accuracies that are lower by less count as reached."""
NO_TOKENS = np.finfo(float).tiny
"""What stands for 0 tokens, which have no logarithm."""


@dataclass(frozen=True)
class WeightedSweep:
    """Points of a sweep for D sets of weights of the questions, cheapest first in each."""

    accuracy: Floats
    """(D, P), as fractions."""
    tokens: Floats
    """(D, P)."""

    @classmethod
    def of(cls, curve: Curve, questions: Questions, weights: Sequence[Floats]) -> "WeightedSweep":
        """Return the points of a curve; `weights` has an array (D, Q) for each set of questions, rows of sum 1."""
        accuracy, tokens = (
            np.sum(
                [
                    share * own @ values.T
                    for share, own, values in zip(questions.shares, weights, questions.merge(by_grid), strict=True)
                ],
                axis=0,
            )
            for by_grid in (curve.correct, curve.tokens_by_question)
        )
        order = np.argsort(tokens, axis=1, kind="stable")
        return cls(np.take_along_axis(accuracy, order, axis=1), np.take_along_axis(tokens, order, axis=1))

    def tokens_to_reach(self, accuracy: Floats) -> Floats:
        """Return the tokens (D,) at which each sweep reaches an accuracy (D,), infinity where it never does."""
        places = np.arange(self.accuracy.shape[1])
        best = np.maximum.accumulate(self.accuracy, axis=1)
        new = np.append(np.ones((len(best), 1), bool), self.accuracy[:, 1:] > best[:, :-1], axis=1)
        frontier = np.maximum.accumulate(np.where(new, places, 0), axis=1)
        reached = best >= accuracy[:, None] - ROUNDING
        first = reached.argmax(axis=1)[:, None]
        before = np.take_along_axis(frontier, np.maximum(first - 1, 0), axis=1)
        logs = np.log(np.maximum(self.tokens, NO_TOKENS))
        (low, low_tokens), (high, high_tokens) = (
            tuple(np.take_along_axis(values, at, axis=1)[:, 0] for values in (self.accuracy, logs))
            for at in (before, first)
        )
        part = np.ones(len(low))
        np.divide(accuracy - low, high - low, out=part, where=high > low)
        # Nothing lies between a point that costs nothing and the next one, as in `graph.analysis.sweep`.
        low_tokens = np.where(low_tokens > np.log(NO_TOKENS), low_tokens, high_tokens)
        tokens = np.exp(low_tokens + np.clip(part, 0, 1) * (high_tokens - low_tokens))
        return np.where(reached.any(axis=1), tokens, np.inf)


def saving_sample(curves: Sequence[Curve], reference: Curve, questions: Questions, accuracy: float) -> Sample:
    """Return the saving as one value a question: the figure, and each question's influence on it (jackknife).

    The mean of the values is the figure.

    Args:
        curves: Sweeps; the one that reaches the accuracy for the fewest tokens counts.
        reference: Sweep of self-consistency.
        questions: Questions of the grids.
        accuracy: Accuracy as a fraction; 0: that of the most accurate point of self-consistency.
    """
    sizes = [values.shape[1] for values in questions.merge(reference.correct)]
    even = [np.full((1, size), 1 / size) for size in sizes]
    figure = float(_savings(curves, reference, questions, accuracy, even)[0])
    values = []
    for number, (size, share) in enumerate(zip(sizes, questions.shares, strict=True)):
        if size < 2:
            values.append(np.full(size, figure))
            continue
        weights = [np.repeat(each, size, axis=0) for each in even]
        weights[number] = (1 - np.eye(size)) / (size - 1)
        without = _savings(curves, reference, questions, accuracy, weights)
        values.append(figure + (size - 1) * (without.mean() - without) / share)
    return Sample(tuple(values), questions.shares)


def saving_interval(
    curves: Sequence[Curve], others: Sequence[Curve], reference: Curve, questions: Questions, accuracy: float
) -> Interval:
    """Return the saving of `curves` less that of `others`, with its 95 % interval over questions.

    Args:
        curves: Sweeps taken together, as in `saving_sample`.
        others: Sweeps to compare with; empty: self-consistency, which saves nothing.
        reference: Sweep of self-consistency.
        questions: Questions of the grids.
        accuracy: As in `saving_sample`.
    """
    sizes = [values.shape[1] for values in questions.merge(reference.correct)]
    even = [np.full((1, size), 1 / size) for size in sizes]
    value, drawn = (
        _savings(curves, reference, questions, accuracy, weights)
        - (_savings(others, reference, questions, accuracy, weights) if others else 0.0)
        for weights in (even, question_weights(sizes))
    )
    if sum(sizes) < 2:
        return Interval(float(value[0]), None, None)
    return percentiles(float(value[0]), drawn)


def saved_share(own: Sample, reference: Sample) -> Interval:
    """Return 1 less the ratio of two mean costs, with its 95 % interval over questions by the same bootstrap.

    Args:
        own: Costs by question.
        reference: Costs of the same questions, with a mean above 0.
    """
    value = 1 - own.mean / reference.mean
    if own.questions < 2:
        return Interval(value, None, None)
    weights = question_weights([len(values) for values in own.values])
    mine, theirs = (
        np.sum(
            [
                share * drawn @ values
                for share, drawn, values in zip(sample.shares, weights, sample.values, strict=True)
            ],
            axis=0,
        )
        for sample in (own, reference)
    )
    return percentiles(value, 1 - mine / theirs)


def _savings(
    curves: Sequence[Curve], reference: Curve, questions: Questions, accuracy: float, weights: Sequence[Floats]
) -> Floats:
    """Return the saving (D,) for D sets of weights."""
    compared = WeightedSweep.of(reference, questions, weights)
    most = compared.accuracy.max(axis=1)
    target = np.full(len(most), accuracy) if accuracy else most
    spent = compared.tokens_to_reach(np.minimum(target, most))
    fewest = spent
    for curve in curves:
        fewest = np.minimum(fewest, WeightedSweep.of(curve, questions, weights).tokens_to_reach(target))
    saved: Floats = 1 - fewest / spent
    return saved
