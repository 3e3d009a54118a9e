"""Means by question, the price axis and the Pareto set, against examples worked out by hand."""

import math

import numpy as np
import pytest

from envdata.scoring import pareto, price_weights, question_means


def f(*values: float) -> np.ndarray:
    return np.array(values, float)


def test_repeats_of_a_question_are_averaged_first() -> None:
    correct = np.array([True, False, True, True, False, False])
    question = np.array([0, 0, 0, 1, 1, 1])
    assert question_means(correct, question, 2).tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_range_is_read_once_in_each_part_between_points_weighted_by_its_log_tokens() -> None:
    prices, weights = price_weights(f(5, 100, 100, 5000), 10, 1000)
    assert prices == pytest.approx([math.sqrt(10 * 100), math.sqrt(100 * 1000)])
    assert weights == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (20, 10), (-1, 5)])
def test_a_range_that_is_none(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="must rise from above 0"):
        price_weights(f(10), low, high)


@pytest.mark.parametrize(
    ("tokens", "accuracy", "kept"),
    [
        (f(1, 2, 3), f(0.1, 0.2, 0.3), [0, 1, 2]),
        (f(3, 2, 1), f(0.3, 0.2, 0.1), [2, 1, 0]),
        (f(1, 2, 3), f(0.3, 0.2, 0.3), [0]),
        (f(1, 1, 2), f(0.1, 0.2, 0.2), [1]),
        (f(1, 1), f(0.2, 0.2), [0]),
        (f(2, 1, 3), f(0.5, 0.5, 0.6), [1, 2]),
        (f(), f(), []),
    ],
)
def test_pareto_keeps_what_no_other_beats_on_both(tokens: np.ndarray, accuracy: np.ndarray, kept: list[int]) -> None:
    assert pareto(tokens, accuracy).tolist() == kept


def test_pareto_against_the_definition() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        tokens, accuracy = rng.integers(1, 8, 12).astype(float), rng.integers(0, 6, 12) / 5
        points = list(zip(tokens.tolist(), accuracy.tolist(), strict=True))
        kept = pareto(tokens, accuracy).tolist()
        for i in range(12):
            beaten = any(
                tokens[j] <= tokens[i] and accuracy[j] >= accuracy[i] and points[j] != points[i] for j in range(12)
            )
            equal_kept = any(points[j] == points[i] for j in kept)
            assert equal_kept is not beaten
