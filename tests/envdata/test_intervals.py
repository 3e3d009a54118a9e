"""Intervals and superiority against exact methods, and whether they keep what they promise in simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from envdata.intervals import (
    Interval,
    Sample,
    bounded,
    difference,
    over_questions,
    paired,
    paired_costs,
    superiority,
    unbounded,
)


def of(*values: float) -> Sample:
    return Sample((np.array(values, float),))


def ends(found: Interval) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


@pytest.mark.parametrize(("right", "n"), [(5, 5), (4, 5), (0, 5), (29, 30), (30, 30), (15, 30), (97, 100)])
def test_at_one_repeat_an_accuracy_has_the_exact_interval(right: int, n: int) -> None:
    """Clopper and Pearson's, to half a point."""
    found = over_questions(np.repeat([0.0, 1.0], [n - right, right]))
    assert found.value == pytest.approx(right / n)
    low = stats.beta.ppf(0.025, right, n - right + 1) if right else 0.0
    high = stats.beta.ppf(0.975, right + 1, n - right) if right < n else 1.0
    assert ends(found) == pytest.approx((low, high), abs=0.006)


def test_repeats_narrow_an_interval_and_one_question_has_none() -> None:
    rng = np.random.default_rng(0)
    steady = over_questions(rng.binomial(24, 0.7, 30) / 24)
    low, high = ends(steady)
    assert high - low < 0.5 * (stats.beta.ppf(0.975, 22, 9) - stats.beta.ppf(0.025, 21, 10))
    # Questions of another kind are among those that were not drawn, for all one knows.
    low, high = ends(over_questions(np.ones(30)))
    assert (low, high) == (pytest.approx(0.884, abs=0.005), 1.0)
    alone = over_questions(np.array([0.75]))
    assert (alone.value, alone.low, alone.high) == (0.75, None, None)
    assert alone.text(100) == "75.00 (no interval)"
    assert unbounded(of(1000)).text() == "1000.00 (no interval)"
    assert Interval(-0.00001, -0.02, 0.0).text(100, "+.2f") == "0.00 (−2.00 … 0.00)"
    assert Interval(-0.00001, -0.02, 0.02).text(100) == "0.00 (−2.00 … 2.00)"


@given(st.lists(st.integers(0, 6), min_size=2, max_size=30))
def test_an_interval_holds_its_figure_and_does_not_depend_on_the_order_of_questions(right: list[int]) -> None:
    values = np.array(right) / 6
    found = over_questions(values)
    low, high = ends(found)
    assert 0 <= low <= found.value <= high <= 1 + 1e-12
    again = over_questions(values[::-1])
    assert (again.low, again.high) == (found.low, found.high)


@pytest.mark.parametrize("n", [5, 10, 30])
def test_at_one_repeat_every_true_accuracy_is_in_the_interval_often_enough(n: int) -> None:
    found = [ends(over_questions(np.repeat([0.0, 1.0], [n - right, right]))) for right in range(n + 1)]
    for p in np.linspace(0.5, 1, 101):
        inside = np.array([low - 1e-9 <= p <= high + 1e-9 for low, high in found])
        assert stats.binom.pmf(np.arange(n + 1), n, p) @ inside >= 0.945


@pytest.mark.parametrize(("n", "p"), [(5, 0.7), (30, 0.97)])
@pytest.mark.parametrize("kind", ["mixed", "sure"])
def test_with_repeats_the_true_accuracy_is_in_the_interval(n: int, p: float, kind: str) -> None:
    """`benchmarks/coverage.py` has more of them."""
    rng = np.random.default_rng([n, int(100 * p)])
    inside = 0
    for _ in range(100):
        chances = rng.beta(p, 1 - p, n) if kind == "mixed" else (rng.random(n) < p).astype(float)
        low, high = ends(over_questions(rng.binomial(24, chances) / 24))
        inside += low - 1e-9 <= p <= high + 1e-9
    assert inside >= 93


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (0.7, 0.6), (0.97, 0.9), (1.0, 0.97)])
@pytest.mark.parametrize("n", [5, 10])
def test_at_one_repeat_every_true_difference_is_in_the_interval_often_enough(n: int, a: float, b: float) -> None:
    inside = 0.0
    for won in range(n + 1):
        for lost in range(n + 1 - won):
            low, high = ends(difference(of(*[1] * won, *[-1] * lost, *[0] * (n - won - lost))))
            if low - 1e-9 <= a - b <= high + 1e-9:
                odds = [a * (1 - b), b * (1 - a), a * b + (1 - a) * (1 - b)]
                inside += stats.multinomial.pmf([won, lost, n - won - lost], n, odds)
    assert inside >= 0.945


# ---- differences and superiority ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("won", "lost"), [(3, 0), (5, 0), (6, 0), (7, 1), (0, 6), (4, 4), (12, 2), (14, 3)])
def test_at_one_repeat_superiority_is_the_sign_test_and_the_interval_agrees(won: int, lost: int) -> None:
    sample = of(*[1] * won, *[-1] * lost, *[0] * (30 - won - lost))
    beyond = stats.binom.sf(won, won + lost, 0.5)
    expected = 1 - beyond - 0.5 * stats.binom.pmf(won, won + lost, 0.5)
    assert superiority(sample) == pytest.approx(expected, abs=0.004)
    if abs(expected - 0.975) > 0.004:
        assert (difference(sample).sign == 1) == (expected > 0.975)


def test_three_more_of_thirty_is_no_certainty() -> None:
    sample = of(*[1] * 3, *[0] * 27)
    assert superiority(sample) == 1 - 0.125 / 2
    assert difference(sample).sign == 0


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=25))
def test_b_against_a_is_a_against_b_with_the_sign_changed(differences: list[int]) -> None:
    sample, other = of(*(each / 4 for each in differences)), of(*(-each / 4 for each in differences))
    assert superiority(sample) == pytest.approx(1 - superiority(other), abs=1e-12)
    assert ends(difference(sample)) == pytest.approx(tuple(-end for end in ends(difference(other))[::-1]), abs=1e-12)


@pytest.mark.parametrize("repeats", [1, 24])
def test_of_equal_controllers_few_are_beyond(repeats: int) -> None:
    rng = np.random.default_rng(repeats)
    beyond = 0
    for _ in range(500):
        chances = rng.beta(0.7, 0.3, 30)
        found = superiority(of(*(rng.binomial(repeats, chances) - rng.binomial(repeats, chances)) / repeats))
        beyond += abs(found - 0.5) > 0.475
    assert 0.02 <= beyond / 500 <= 0.072


def test_ties_and_costs() -> None:
    tie = paired(of(1, 0, 0.5), of(1, 0, 0.5), alike=True)
    assert (tie.difference, tie.superiority) == (Interval(0, 0, 0), 0.5)
    unsure = paired(of(*[1.0] * 30), of(*[1.0] * 30))
    assert ends(unsure.difference) == pytest.approx((-0.095, 0.095), abs=0.005)
    cheaper = paired_costs(of(*range(100, 110)), of(*range(200, 210)))
    assert (cheaper.difference.value, cheaper.superiority) == (-100, 1 - 2**-11)
    assert ends(cheaper.difference) == pytest.approx((-100, -100))
    values = np.array([3.0, 5, 10, 4])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert ends(unbounded(of(*values))) == pytest.approx((low, high))


def test_sets_of_questions_are_drawn_independently() -> None:
    rng = np.random.default_rng(1)
    one, two = ((rng.random(30) < 0.7).astype(float) for _ in range(2))
    both = bounded(Sample((one, two), (0.5, 0.5)))
    assert both.value == pytest.approx((one.mean() + two.mean()) / 2)
    width = [high - low for low, high in map(ends, (both, over_questions(one)))]
    assert width[0] == pytest.approx(width[1] / 2**0.5, rel=0.12)


@pytest.mark.parametrize("values", [(-0.5, -0.25, -1.0), (0.5, -0.75), (1.0, 0.5, 0.25, -1.0), (-0.5, 0.5)])
def test_the_interval_of_a_difference_of_accuracies_lies_within_the_possible_ones(values: tuple[float, ...]) -> None:
    found = difference(Sample((np.array(values),)))
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
