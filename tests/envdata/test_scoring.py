"""Accuracy over questions, and the figures of a sweep, against examples worked out by hand."""

import math

import numpy as np
import pytest

from envdata.scoring import area, areas, over_questions, paired, pareto, question_means, resampling_weights


def f(*values: float) -> np.ndarray:
    return np.array(values, float)


def test_repeats_of_a_question_are_averaged_first() -> None:
    correct = np.array([True, False, True, True, False, False])
    question = np.array([0, 0, 0, 1, 1, 1])
    assert question_means(correct, question, 2).tolist() == pytest.approx([2 / 3, 1 / 3])


def test_the_interval_is_over_questions() -> None:
    """Twenty questions, half of them always right: the mean of 20 fair coins, ± 1.96 × 0.5 / √20."""
    interval = over_questions(np.repeat(f(0, 1), 10))
    assert interval.value == 0.5
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(20), abs=0.06)
    sure = over_questions(np.full(7, 0.25))
    assert (sure.low, sure.value, sure.high) == pytest.approx((0.25, 0.25, 0.25))
    assert over_questions(np.repeat(f(0, 1), 10)) == interval


def test_resamples_draw_as_many_questions_as_there_are() -> None:
    weights = resampling_weights(5, 100)
    assert weights.shape == (100, 5)
    assert weights.sum(axis=1) == pytest.approx(np.ones(100))


@pytest.mark.parametrize(
    ("tokens", "accuracy", "expected"),
    [
        pytest.param(f(10), f(0.6), 0.6, id="one point at the start holds throughout"),
        pytest.param(f(100), f(0.6), 0.3, id="nothing before the first point"),
        pytest.param(f(1000), f(0.6), 0.0, id="a point at the end has no width"),
        pytest.param(f(5000), f(0.6), 0.0, id="a point beyond the range counts for nothing"),
        pytest.param(f(1), f(0.6), 0.6, id="a point before the range holds in it"),
        pytest.param(f(10, 100), f(0.4, 0.8), 0.6, id="two steps"),
        pytest.param(f(100, 10), f(0.8, 0.4), 0.6, id="in any order"),
        pytest.param(f(10, 100), f(0.8, 0.4), 0.8, id="a dearer and worse point takes nothing away"),
        pytest.param(f(10, 10), f(0.2, 0.6), 0.6, id="two at one price: the better"),
    ],
)
def test_area_is_the_mean_accuracy_over_log_tokens(tokens: np.ndarray, accuracy: np.ndarray, expected: float) -> None:
    assert area(tokens, accuracy, 10, 1000) == pytest.approx(expected)


def test_areas_of_many_curves_are_each_curves_area() -> None:
    rng = np.random.default_rng(0)
    tokens, accuracy = rng.uniform(1, 5000, (20, 6)), rng.random((20, 6))
    singly = [area(t, a, 50, 2000) for t, a in zip(tokens, accuracy, strict=True)]
    assert areas(tokens, accuracy, 50, 2000).tolist() == pytest.approx(singly)


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (20, 10), (-1, 5)])
def test_a_range_that_is_none(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="must rise from above 0"):
        area(f(10), f(0.5), low, high)


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


# ---- paired ----------------------------------------------------------------------------------------------------


def test_a_paired_difference_has_the_interval_of_the_differences() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, 4000)
    found = paired(3.0, 2.0, shared + 1, shared)
    assert (found.a, found.b, found.superiority) == (3.0, 2.0, 1.0)
    assert (found.difference.value, found.difference.low, found.difference.high) == pytest.approx((1.0, 1.0, 1.0))
    apart = paired(3.0, 2.0, shared + 1, rng.normal(0, 1, 4000))
    assert apart.difference.high - apart.difference.low == pytest.approx(2 * 1.96 * 2**0.5, rel=0.1)
    assert 0.7 < apart.superiority < 0.82  # P(N(1, 2) > 0) = 0.76


def test_superiority_counts_ties_by_half_and_knows_which_way_is_better() -> None:
    a, b = f(1, 1, 2, 0.1 + 0.2), f(0, 1, 3, 0.3)
    assert paired(1, 1, a, b).superiority == 0.5  # a win, a defeat, two ties
    assert paired(1, 1, f(1, 1), f(0, 1)).superiority == 0.75
    assert paired(1, 1, f(1, 1), f(0, 1), lower_is_better=True).superiority == 0.25
