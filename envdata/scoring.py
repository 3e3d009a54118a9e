"""Figures over episodes: accuracy with its interval over questions, costs, and one number for a whole β sweep.

The questions of a benchmark are the sample: repeats of one question say nothing about another, so every interval here
comes from resampling questions (the percentile bootstrap), with the repeats averaged first.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from envdata.ledger import Floats

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """A figure of two controllers on the same episodes."""

    a: float
    b: float
    difference: Interval
    """a − b."""
    superiority: float
    """The probability that a is better: the share of resamples in which it is, ties counted by half."""


@lru_cache(maxsize=16)
def resampling_weights(questions: int, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """How often each bootstrap resample draws each question, over their number: shape (resamples, questions).

    The seed is fixed, so that the same episodes always give the same interval.
    """
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(questions, np.full(questions, 1 / questions), size=resamples)
    weights: Floats = counts / questions
    weights.setflags(write=False)
    return weights


def over_questions(per_question: Floats) -> Interval:
    """The mean over questions, with its 95 % bootstrap interval; `per_question` has shape (Q,)."""
    return interval(float(per_question.mean()), resampling_weights(len(per_question)) @ per_question)


def interval(value: float, resampled: Floats) -> Interval:
    """A figure with the percentile interval of its resamples."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def paired(a: float, b: float, resampled_a: Floats, resampled_b: Floats, *, lower_is_better: bool = False) -> Paired:
    """How a figure of two controllers differs, from the same resamples of both, shape (resamples,) each.

    Drawing the same questions for both takes away what is merely hard or easy about a draw.
    """
    difference = resampled_a - resampled_b
    better = difference < 0 if lower_is_better else difference > 0
    # Differences of equal figures are rounding, not victories.
    tied = np.isclose(resampled_a, resampled_b, rtol=1e-12, atol=1e-12)
    superiority = float(np.where(tied, 0.5, better).mean())
    return Paired(a, b, interval(a - b, difference), superiority)


def question_means(values: npt.NDArray[np.generic], question: npt.NDArray[np.integer], questions: int) -> Floats:
    """Means of `values` by question, shape (Q,); every question must have at least one entry."""
    counts = np.bincount(question, minlength=questions)
    return np.bincount(question, weights=values.astype(float), minlength=questions) / counts


def area(tokens: Floats, accuracy: Floats, low: float, high: float) -> float:
    """Mean accuracy over log tokens in low … high, in the unit of `accuracy`: the one figure of a β sweep.

    At a number of tokens the curve stands at the best accuracy among its points that cost no more (what a user of the
    sweep can have for that price), and at 0 before its first point. The result is the area under it divided by the
    width of the range, so that it reads as an accuracy. `tokens` and `accuracy` have shape (P,), in any order.
    """
    return float(areas(tokens[None], accuracy[None], low, high)[0])


def areas(tokens: Floats, accuracy: Floats, low: float, high: float) -> Floats:
    """`area` of many curves with P points each: shapes (N, P) to (N,)."""
    if not 0 < low < high:
        raise ValueError(f"the range of tokens is {low} … {high}; it must rise from above 0")
    order = np.argsort(tokens, axis=1, kind="stable")
    best = np.maximum.accumulate(np.take_along_axis(accuracy, order, axis=1), axis=1)
    at = np.log(np.clip(np.take_along_axis(tokens, order, axis=1), low, high))
    ends = np.concatenate([at[:, 1:], np.full((len(at), 1), np.log(high))], axis=1)
    total: Floats = (best * (ends - at)).sum(axis=1) / (np.log(high) - np.log(low))
    return total


def pareto(tokens: Floats, accuracy: Floats) -> npt.NDArray[np.intp]:
    """Indices of the points that no other beats on both, cheapest first; of equal points the first is kept."""
    order = np.lexsort((-accuracy, tokens))
    kept: list[int] = []
    best = -np.inf
    for index in order.tolist():
        if accuracy[index] > best:
            kept.append(index)
            best = accuracy[index]
    return np.array(kept, np.intp)
