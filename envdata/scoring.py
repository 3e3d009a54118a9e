"""Figures over episodes: means by question, prices at which a curve is read, and the Pareto frontier."""

import numpy as np
import numpy.typing as npt

from envdata.intervals import Floats


def question_means(values: npt.NDArray[np.generic], question: npt.NDArray[np.integer], questions: int) -> Floats:
    """Return the mean of `values` for each question.

    Args:
        values: One value an episode, shape (N,).
        question: The question of each episode, shape (N,), in 0 … questions − 1. Every question occurs at least once.
        questions: The number of questions, Q.

    Returns:
        Means, shape (Q,).
    """
    counts = np.bincount(question, minlength=questions)
    return np.bincount(question, weights=values.astype(float), minlength=questions) / counts


def price_weights(tokens: Floats, low: float, high: float, *, parts: int = 1) -> tuple[Floats, Floats]:
    """Return prices at which a curve is read for its mean over log tokens, and their weights.

    There is one price in the middle, in log tokens, of each part of the range between neighbouring `tokens`. A curve
    that is linear in log tokens between those is averaged exactly.

    Args:
        tokens: Token costs of the curve's points, shape (N,).
        low: Lower end of the range, in tokens.
        high: Upper end of the range, in tokens.
        parts: Parts of equal width in log tokens that each of those is divided into, for figures of several curves,
            which may cross between their points.

    Returns:
        Prices in tokens and weights of sum 1, both of shape (M,).

    Raises:
        ValueError: The range does not rise from above 0.
    """
    if not 0 < low < high:
        raise ValueError(f"the range of tokens is {low} … {high}; it must rise from above 0")
    edges = np.log(np.unique(np.concatenate([[low, high], np.clip(tokens, low, high)])))
    steps = np.arange(parts) / parts
    edges = np.append((edges[:-1, None] + np.diff(edges)[:, None] * steps).ravel(), edges[-1])
    return np.exp((edges[1:] + edges[:-1]) / 2), np.diff(edges) / (edges[-1] - edges[0])


def pareto(tokens: Floats, accuracy: Floats) -> npt.NDArray[np.intp]:
    """Return the indices of the points that no other point beats on both tokens and accuracy.

    Args:
        tokens: Costs, shape (N,).
        accuracy: Accuracies, shape (N,).

    Returns:
        Indices, cheapest point first; the first one of equal points.
    """
    order = np.lexsort((-accuracy, tokens))
    kept: list[int] = []
    best = -np.inf
    for index in order.tolist():
        if accuracy[index] > best:
            kept.append(index)
            best = accuracy[index]
    return np.array(kept, np.intp)
