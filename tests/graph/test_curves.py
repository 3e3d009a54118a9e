"""Sweeps, objectives and paired comparisons, against figures worked out by hand."""

import math

import numpy as np
import pytest

from envdata.intervals import Interval
from graph.analysis.curves import Curve, Questions, concatenate
from graph.analysis.frontier import frontier
from graph.analysis.measured_curve import MeasuredCurve
from graph.analysis.objective import Objective, ObjectiveError, Scorer, token_range
from graph.critic.measures import coverage, drops, gain, turning_knobs


def curve(label: str, points: list[tuple[float, list[float], float]], grids: int = 1) -> Curve:
    """A curve from (β, how often each question is right, tokens), for each grid; ten questions of each kind."""
    correct = np.repeat([right for _, right, _ in points], 10, axis=1)
    tokens = np.array([[tokens] * len(right) * 10 for _, right, tokens in points])
    return Curve(label, tuple(beta for beta, _, _ in points), (correct,) * grids, (tokens,) * grids, {}, None)


QUESTIONS = Questions(("a.parquet",), (("p", "q", "r", "s"),))
STEADY = curve("steady", [(0.0, [1, 0, 0, 0], 100), (0.5, [1, 1, 0, 0], 1000), (1.0, [1, 1, 1, 0], 10000)])
CHEAP = curve("cheap", [(0.0, [1, 1, 0, 0], 100), (1.0, [1, 1, 1, 0], 1000)])
AREA = Scorer(Objective.parse("area"), 100, 10000, QUESTIONS)


def test_the_area_is_what_a_user_gets_at_each_price() -> None:
    # From 25 to 50 in the one half of the log range, from 50 to 75 % in the other.
    assert AREA.score(STEADY) == pytest.approx(0.5)
    # From 50 to 75 %, and then at 75.
    assert AREA.score(CHEAP) == pytest.approx((0.625 + 0.75) / 2)


@pytest.mark.parametrize(
    ("tokens", "right", "expected"),
    [
        pytest.param([100], [2], 0.5, id="one point at the start holds throughout"),
        pytest.param([1000], [2], 0.25, id="nothing before the first point"),
        pytest.param([10000], [2], 0.0, id="a point at the end has no width"),
        pytest.param([50000], [2], 0.0, id="a point beyond the range counts for nothing"),
        pytest.param([1], [2], 0.5, id="a point before the range holds in it"),
        pytest.param([10000, 100], [4, 2], 0.75, id="in any order"),
        pytest.param([100, 10000], [4, 2], 0.75, id="a dearer point that measured worse is averaged with the cheaper"),
    ],
)
def test_areas_by_hand(tokens: list[float], right: list[int], expected: float) -> None:
    points = [
        (float(beta), [1.0] * n + [0.0] * (4 - n), spent)
        for beta, (n, spent) in enumerate(zip(right, tokens, strict=True))
    ]
    assert AREA.score(curve("c", points)) == pytest.approx(expected)


@pytest.mark.parametrize("objective", ["area", "gamma:0", "accuracy@10000"])
@pytest.mark.parametrize("curves", [1, 5])
def test_a_flat_sweep_is_as_good_as_its_accuracy(objective: str, curves: int) -> None:
    """Eleven points of 30 questions at one repeat, that differ by luck alone; the best stands 8 points higher."""
    rng = np.random.default_rng(0)
    questions = Questions(("a",), (tuple(map(str, range(30))),))
    scorer = Scorer(Objective.parse(objective), 100, 10000, questions)
    tokens = np.repeat(np.geomspace(100, 10000, 11)[:, None], 30, axis=1)
    scores, best = [], []
    for _ in range(30 if curves == 1 else 10):
        correct = [(rng.random((11, 30)) < 0.7).astype(float) for _ in range(curves)]
        scores.append(scorer.score(*(Curve("c", tuple(range(11)), (own,), (tokens,), {}, None) for own in correct)))
        best.append(max(own.mean(axis=1).max() for own in correct))
    assert np.mean(best) > 0.78
    assert np.mean(scores) == pytest.approx(0.7, abs=0.02)


def test_other_objectives() -> None:
    gamma = Scorer(Objective.parse("gamma:1e-4"), 1, 2, QUESTIONS)
    assert gamma.score(STEADY) == pytest.approx(max(0.25 - 0.01, 0.5 - 0.1, 0.75 - 1.0))
    within = Scorer(Objective.parse("accuracy@5000"), 1, 2, QUESTIONS)
    assert within.score(STEADY) == pytest.approx(0.5)  # what can be had for that, and not a point between
    assert within.score(CHEAP) == pytest.approx(0.75)
    assert Scorer(Objective.parse("accuracy@50"), 1, 2, QUESTIONS).score(CHEAP) == 0


@pytest.mark.parametrize(
    "said",
    [
        "",
        "luck",
        "gamma:",
        "gamma:-1",
        "gamma:nan",
        "accuracy@",
        "accuracy@0",
        "accuracy@inf",
        "saving@",
        "saving@101",
        "saving@-1",
    ],
)
def test_what_is_no_objective_is_refused_with_the_forms_there_are(said: str) -> None:
    with pytest.raises(ObjectiveError, match="accuracy@<tokens>"):
        Objective.parse(said)


SC = curve("sc", [(0.0, [1, 0, 0, 0], 100), (0.5, [1, 1, 0, 0], 1000), (1.0, [1, 1, 0, 0], 10000)])
"""25 % at 100 tokens and 50 % at 1000; its dearest point brings nothing."""
GAIN = Scorer(Objective.parse("gain"), 0, 0, QUESTIONS, SC)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        pytest.param([(100, 1), (1000, 2), (10000, 2)], 0.0, id="the same"),
        pytest.param([(1000, 1)], 0.0, id="below everywhere"),
        pytest.param([(5000, 1), (9000, 2)], 0.0, id="dear where self-consistency is cheap"),
        pytest.param([(100, 2), (1000, 3)], (0.125 + 0.25 + 0.25) / 2 - 0.0625, id="25 points above throughout"),
        pytest.param([(1000, 3), (50000, 4)], 0.5 * 0.25 + 0.5 * 0.25 * math.log(10) / math.log(50) / 2, id="read on"),
        pytest.param(
            [(1000, 1), (3162, 1), (10000, 3)], 0.25 / 4 / 2, id="between frontier points, the middle is none"
        ),
    ],
)
def test_gain_is_how_far_the_better_of_the_two_stands_above_self_consistency(
    points: list[tuple[float, int]], expected: float
) -> None:
    sweep = [(float(k), [1.0] * right + [0.0] * (4 - right), tokens) for k, (tokens, right) in enumerate(points)]
    assert GAIN.score(curve("c", sweep)) == pytest.approx(expected, abs=2e-3)


def test_self_consistency_gains_exactly_nothing_and_so_does_what_it_is_preferred_to() -> None:
    worse = curve("worse", [(0.0, [0, 0, 0, 0], 100), (1.0, [1, 0, 0, 0], 10000)])
    for same in (SC, worse):
        assert GAIN.score(same) == 0
        assert GAIN.interval(same) == Interval(0, 0, 0)
    assert GAIN.interval(CHEAP).sign == 1
    assert GAIN.difference(CHEAP, STEADY).value == pytest.approx(GAIN.score(CHEAP) - GAIN.score(STEADY))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        # 50 % costs self-consistency 1000 tokens; CHEAP has it for 100.
        ("saving@sc", 0.9),
        ("saving@50", 0.9),
        # Halfway between 25 % and 50 % in log tokens.
        ("saving@37.5", 1 - 100 / math.sqrt(100 * 1000)),
        # CHEAP has 75 % for 1000 tokens, self-consistency never: its most accurate point stands for it.
        ("saving@75", 0.0),
        ("saving@60", 1 - 10 ** (2 + 0.4) / 1000),
        ("saving@100", 0.0),
    ],
)
def test_saving_is_read_off_the_curves_in_log_tokens(objective: str, expected: float) -> None:
    scorer = Scorer(Objective.parse(objective), 0, 0, QUESTIONS, SC)
    assert scorer.score(CHEAP) == pytest.approx(expected)
    assert scorer.score(SC) == 0
    found = scorer.interval(CHEAP)
    assert found.value == pytest.approx(expected)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert scorer.difference(CHEAP, SC).value == pytest.approx(expected)


def test_nothing_is_read_between_a_point_that_costs_nothing_and_the_next_one() -> None:
    priced = curve("priced", [(1.0, [1, 1, 1, 0], 500)])
    free = curve("free", [(0.0, [0, 0, 0, 0], 0), (1.0, [1, 1, 1, 0], 500)])
    for objective in ("gain", "saving@sc", "saving@60"):
        scorer = Scorer(Objective.parse(objective), 0, 0, QUESTIONS, SC)
        assert scorer.score(free) == pytest.approx(scorer.score(priced)), objective
        assert math.isfinite(scorer.interval(free).value)
    measured = MeasuredCurve.of(free)
    assert measured.tokens_for(0.5) == 500
    assert measured.at(499) == (0, 0, 0.0)
    assert measured.at(500) == (1, 1, 0.0)
    # Self-consistency itself may be told to read no branch.
    nothing = curve("sc", [(0.0, [0, 0, 0, 0], 0), (1.0, [1, 1, 0, 0], 1000)])
    assert Scorer(Objective.parse("saving@sc"), 0, 0, QUESTIONS, nothing).score(priced) == pytest.approx(0.5)


def test_a_saving_that_other_questions_might_not_show_has_an_interval_from_0() -> None:
    # As accurate as self-consistency, but on other questions.
    other = curve("other", [(0.0, [0, 0, 1, 1], 100)])
    found = Scorer(Objective.parse("saving@sc"), 0, 0, QUESTIONS, SC).interval(other)
    assert (found.value, found.low, found.high) == (pytest.approx(0.9), 0, pytest.approx(0.9))
    sample = Objective.parse("saving@sc").sample([CHEAP], QUESTIONS, 0, 0, SC)
    assert sample.mean == pytest.approx(0.9)


def test_without_self_consistency_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(ObjectiveError, match="there is no evaluation of sc"):
        Scorer(Objective.parse("gain"), 1, 2, QUESTIONS).score(CHEAP)
    once = Scorer(Objective.parse("gain"), 0, 0, QUESTIONS, curve("sc", [(0.0, [1, 1, 1, 1], 7)]))
    with pytest.raises(ObjectiveError, match="which is no range"):
        once.score(CHEAP)


def test_a_difference_is_paired() -> None:
    itself = AREA.difference(STEADY, STEADY)
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)
    better = AREA.difference(CHEAP, STEADY)
    assert better.value == pytest.approx(AREA.score(CHEAP) - AREA.score(STEADY))
    # Surer than two unpaired intervals, which overlap.
    assert better.sign == 1
    cheap, steady = AREA.interval(CHEAP), AREA.interval(STEADY)
    assert cheap.low is not None
    assert steady.high is not None
    assert cheap.low < steady.high


def test_grids_with_the_same_questions_share_their_draws() -> None:
    same = Questions(("a", "b"), (("p", "q", "r", "s"),) * 2)
    other = Questions(("a", "b"), (("p", "q", "r", "s"), ("t", "u", "v", "w")))
    two = curve("two", [(0.0, [1, 0, 0, 0], 100)], grids=2)
    one = curve("one", [(0.0, [1, 0, 0, 0], 100)])
    (alone,), (shared,), (apart,) = (c.accuracy_intervals(q) for c, q in ((one, QUESTIONS), (two, same), (two, other)))
    assert shared == alone
    assert apart.value == alone.value
    assert apart.high - apart.low < 0.85 * (alone.high - alone.low)


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
    # Up to 1000 tokens CHEAP is the better one by 25 points; from there on STEADY comes up to its 75 %.
    assert gain(CHEAP, [STEADY], AREA).value == pytest.approx(0.25 / 2 + 0.125 / 2)
    assert gain(STEADY, [CHEAP], AREA).value == pytest.approx(0, abs=1e-12)
    assert len(concatenate([STEADY, CHEAP]).betas) == 5


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
