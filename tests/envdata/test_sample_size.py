"""Numbers of questions that a paired comparison needs."""

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from envdata.sample_size import discordance, questions_needed, smallest_difference


def test_numbers_of_questions_are_those_of_connor() -> None:
    # p01 = 0.25, p10 = 0.05: ψ = 0.3, δ = 0.2 (level 95 %, power 80 %).
    assert questions_needed(0.3, 0.2) == 57
    assert questions_needed(0.1, 0.05) == 312


def test_the_difference_is_found_with_the_power_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    count = questions_needed(0.3, 0.1)
    assert count is not None
    drawn = rng.choice([1.0, 0.0, -1.0], (4000, count), p=[0.2, 0.7, 0.1])
    won, lost = (drawn > 0).sum(axis=1), (drawn < 0).sum(axis=1)
    found = np.abs(won - lost) / np.sqrt(won + lost) > stats.norm.ppf(0.975)
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def test_these_questions_find_the_smallest_difference_that_takes_no_more() -> None:
    least = smallest_difference(0.3, 57)
    assert least == pytest.approx(0.2, abs=0.002)
    assert smallest_difference(0.3, 5000) == pytest.approx(0.0216, abs=0.001)
    assert smallest_difference(0.3, 2) is None


def test_questions_that_do_not_differ_tell_no_number() -> None:
    assert discordance(np.zeros(4)) == 0
    assert questions_needed(0.0, 0.05) is None
    assert smallest_difference(0.0, 100) is None
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        questions_needed(0.3, 0.0)
