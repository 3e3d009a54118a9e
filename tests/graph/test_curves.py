"""Sweeps, objectives and paired comparisons, against figures worked out by hand."""

import math

import numpy as np
import pytest

from graph.critic.frontier import frontier
from graph.critic.measures import coverage, drops, gain, turning_knobs
from graph.curves import Curve, Questions, together
from graph.objective import Objective, ObjectiveError, Yardstick, token_range


def curve(label: str, points: list[tuple[float, list[float], float]], grids: int = 1) -> Curve:
    """A curve from (β, how often each question is right, tokens), the same on every grid."""
    correct = np.array([right for _, right, _ in points])
    tokens = np.array([[tokens] * len(right) for _, right, tokens in points])
    return Curve(label, tuple(beta for beta, _, _ in points), (correct,) * grids, (tokens,) * grids, {}, None)


QUESTIONS = Questions(("a.parquet",), (("p", "q", "r", "s"),))
STEADY = curve("steady", [(0.0, [1, 0, 0, 0], 100), (0.5, [1, 1, 0, 0], 1000), (1.0, [1, 1, 1, 0], 10000)])
CHEAP = curve("cheap", [(0.0, [1, 1, 0, 0], 100), (1.0, [1, 1, 1, 0], 1000)])
AREA = Yardstick(Objective.parse("area"), 100, 10000, QUESTIONS)


def test_the_area_is_what_a_user_gets_at_each_price() -> None:
    # Half of the log range at 25 %, half at 50 %; the last point stands at the very end and adds nothing.
    assert AREA.score(STEADY) == pytest.approx(0.375)
    assert AREA.score(CHEAP) == pytest.approx(0.625)


def test_other_objectives() -> None:
    gamma = Yardstick(Objective.parse("gamma:1e-4"), 1, 2, QUESTIONS)
    assert gamma.score(STEADY) == pytest.approx(max(0.25 - 0.01, 0.5 - 0.1, 0.75 - 1.0))
    within = Yardstick(Objective.parse("accuracy@5000"), 1, 2, QUESTIONS)
    assert within.score(STEADY) == pytest.approx(0.5)
    assert within.score(CHEAP) == pytest.approx(0.75)
    assert Yardstick(Objective.parse("accuracy@50"), 1, 2, QUESTIONS).score(CHEAP) == 0


@pytest.mark.parametrize(
    "said", ["", "luck", "gamma:", "gamma:-1", "gamma:nan", "accuracy@", "accuracy@0", "accuracy@inf"]
)
def test_what_is_no_objective_is_refused_with_the_forms_there_are(said: str) -> None:
    with pytest.raises(ObjectiveError, match="accuracy@<tokens>"):
        Objective.parse(said)


def test_a_difference_is_paired() -> None:
    itself = AREA.difference(STEADY, STEADY)
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)
    better = AREA.difference(CHEAP, STEADY)
    assert better.value == pytest.approx(0.25)
    # Never worse on any question: no resample can say otherwise, however wide the two intervals are by themselves.
    assert better.low >= 0
    assert AREA.interval(CHEAP).low < AREA.interval(STEADY).high


def test_grids_with_the_same_questions_share_their_draws() -> None:
    same = Questions(("a", "b"), (("p", "q", "r", "s"),) * 2)
    other = Questions(("a", "b"), (("p", "q", "r", "s"), ("t", "u", "v", "w")))
    two = curve("two", [(0.0, [1, 0, 0, 0], 100)], grids=2)
    one = curve("one", [(0.0, [1, 0, 0, 0], 100)])
    alone = np.ptp(one.resampled(QUESTIONS)[1], axis=0)
    assert np.std(two.resampled(same)[1]) == pytest.approx(np.std(one.resampled(QUESTIONS)[1]))
    assert np.std(two.resampled(other)[1]) < 0.8 * np.std(one.resampled(QUESTIONS)[1])
    assert alone > 0


def test_the_range_goes_from_one_branch_to_the_dearest_point() -> None:
    assert token_range(
        {"sc": STEADY, "other": curve("other", [(0.0, [0, 0, 0, 0], 20), (1.0, [0, 0, 0, 0], 30000)])}
    ) == (
        100,
        30000,
    )
    with pytest.raises(ObjectiveError, match="which is no range"):
        token_range({"sc": curve("sc", [(0.0, [1, 1, 1, 1], 7)])})


def test_the_frontier_keeps_the_points_that_nothing_beats() -> None:
    rows = frontier([STEADY, CHEAP], [0, 3], QUESTIONS).to_pylist()
    assert [(row["controller"], row["round"], row["beta"]) for row in rows] == [("cheap", 3, 0.0), ("cheap", 3, 1.0)]
    assert rows[0]["accuracy_low"] <= rows[0]["accuracy"] == 0.5 <= rows[0]["accuracy_high"]


def test_gain_over_everything_before() -> None:
    assert gain(CHEAP, [STEADY], AREA).value == pytest.approx(0.25)
    assert gain(STEADY, [CHEAP], AREA).value == 0
    assert len(together([STEADY, CHEAP]).betas) == 5


def test_coverage_of_the_range() -> None:
    seen = coverage(CHEAP, 100, 10000)
    assert (seen.lowest, seen.highest) == (100, 1000)
    assert seen.share == pytest.approx(0.5)
    assert seen.widest_gap == pytest.approx(10)
    beyond = coverage(STEADY, 500, 600)
    assert beyond.share == pytest.approx(1)
    assert math.isfinite(beyond.widest_gap)


def test_what_goes_both_ways_is_found() -> None:
    assert turning_knobs([{"a": 1, "b": 3}, {"a": 2, "b": 2}, {"a": 1, "b": 2}]) == ["a"]
    falling = curve("falling", [(0.0, [1], 10), (0.5, [1], 30), (1.0, [1], 20)])
    (drop,) = drops(falling)
    assert (drop.beta, drop.next_beta, drop.tokens, drop.next_tokens) == (0.5, 1.0, 30, 20)
    assert drops(STEADY) == []
