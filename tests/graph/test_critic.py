"""The critic's measurements of curves made by hand, and how they are put into words."""

from dataclasses import replace

import numpy as np
import pytest

from envdata.scoring import Interval
from graph.critic.digest import KINDS, Digest
from graph.critic.endings import Stop
from graph.critic.invariance import Invariance
from graph.critic.losses import SHOWN, against
from graph.critic.measures import Contract, Coverage, Drop, Measures, Monotonicity, ignores_beta
from graph.critic.writing import write_failures, write_measures
from graph.curves import Curve

NOTHING = Interval(0.0, 0.0, 0.0)


def curve(label: str, betas: tuple[float | None, ...], correct: list[list[float]], tokens: list[float]) -> Curve:
    """A sweep over one grid; every question costs the same at a point."""
    accuracy = np.array(correct)
    spent = np.repeat(np.array(tokens)[:, None], accuracy.shape[1], axis=1)
    return Curve(label, betas, (accuracy,), (spent,), {}, None)


BASELINE = curve("asc", (0.0, 0.5, 1.0), [[0, 0, 1], [1, 0, 1], [1, 1, 1]], [100, 200, 400])


def test_a_point_stands_against_the_best_that_costs_no_more() -> None:
    own = curve("c", (0.0, 1.0), [[0, 1, 1], [0, 1, 0.5]], [50, 250])
    cheap, dear = against(own, BASELINE, (0.0, 1.0))
    # Nothing of the baseline is as cheap: its cheapest stands there.
    assert (cheap.baseline_beta, cheap.baseline_tokens, cheap.better, cheap.worse) == (0.0, 100, 1, 0)
    assert (dear.baseline, dear.baseline_beta, dear.better, dear.worse) == ("asc", 0.5, 1, 2)
    assert [(lost.question, lost.accuracy, lost.baseline_accuracy) for lost in dear.lost] == [
        ("0/0", 0, 1),
        ("0/2", 0.5, 1),
    ]
    assert (dear.lost[0].tokens, dear.lost[0].baseline_tokens) == (250, 200)


def test_only_the_points_that_are_asked_for_and_the_worst_questions_are_told() -> None:
    many = 20
    baseline = curve("sc", (0.0,), [[1.0] * many], [10])
    own = curve("c", (0.0, 0.5, 1.0), [[0.0] * many] * 3, [10, 20, 30])
    (found,) = against(own, baseline, (0.5,))
    assert (found.beta, found.worse, len(found.lost)) == (0.5, many, SHOWN)


def test_one_that_ignores_beta_is_looked_at_all_the_same() -> None:
    (found,) = against(curve("c", (None,), [[1, 1, 1]], [150]), BASELINE, (0.0, 1.0))
    assert (found.beta, found.better) == (None, 2)


@pytest.mark.parametrize(
    ("schedules", "ignored"),
    [([{"a": 1}, {"a": 1}], True), ([{"a": 1}, {"a": 2}], False), ([{"a": 1}], False), ([], False)],
)
def test_a_schedule_that_is_the_same_everywhere_ignores_beta(schedules: list[dict[str, float]], ignored: bool) -> None:
    assert ignores_beta(schedules) is ignored


PLAIN = Measures(
    "c", Interval(0.5, 0.4, 0.6), Interval(-0.01, -0.02, 0.01), Contract({}, None, Invariance(12)),
    Monotonicity([], []), Coverage(100, 400, 0.5, 2.0), NOTHING, against(BASELINE, BASELINE, (1.0,)), (),
)  # fmt: skip


def test_a_sound_candidate_in_words() -> None:
    assert write_measures([PLAIN]).split("\n") == [
        "### c",
        "",
        "- Objective 50.00 (40.00 … 60.00); against the best baseline -1.00 (-2.00 … +1.00), paired.",
        "- Gain of the frontier over everything before: +0.00 (+0.00 … +0.00).",
        "- Spends 100 … 400 tokens: 50 % of the range; the widest gap is a factor of 2.00.",
        "- β = 1 (400 tokens) against asc at β = 1 (400 tokens): better on 0 questions, worse on 0.",
    ]
    assert write_failures([PLAIN]) == ""


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        (Contract({"exception": 3}, "ValueError: x"), "exception: 3. The first said: “ValueError: x”."),
        (Contract({}, None, None, "asc"), "acts exactly as asc does: a duplicate"),
        (Contract({}, None, Invariance(12, renamed=2, together=2)),
         "of 12 episodes played again, these ended otherwise: 2 when answers are renamed"),
        (Contract({}, None, Invariance(12, reordered=3, together=3)), "3 when questions come in another order"),
        (Contract({}, None, Invariance(12, by_itself=4, together=5)), "4 with nothing changed"),
        (Contract({}, None, Invariance(12, together=1)), "1 when answers are renamed and questions reordered at once"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_in_words(contract: Contract, said: str) -> None:
    assert said in write_measures([replace(PLAIN, contract=contract)])


def test_what_moves_the_wrong_way_in_words() -> None:
    moved = replace(PLAIN, monotonicity=Monotonicity(["width"], [Drop(0.1, 0.2, 500, 400)], ignores_beta=True))
    words = write_measures([moved])
    assert "Knobs whose schedule goes both ways: “width”." in words
    assert "β = 0.2 spends 400 tokens, less than β = 0.1 (500)." in words
    assert "the same at every β" in words


def test_failures_in_words() -> None:
    digest = Digest(
        0.5, 10, 4, {**dict.fromkeys(KINDS, 0), "right_pruned": 2},
        {**dict.fromkeys(KINDS, ()), "right_pruned": ["0/1", "0/5"]},
        0.25, {"BRANCH": 0.75, "CONTINUE": 0.25}, 0.1, 6.5, 0.5, [Stop("stopped", "the vote is clear", 7, 5, 1234.0)],
    )  # fmt: skip
    words = write_failures([replace(PLAIN, digests=[digest])])
    assert "β = 0.5: 4 of 10 traced episodes are wrong; 25 % of the tokens came after" in words
    assert "2 wrong, after a branch with the right answer was pruned (grid/question 0/1, 0/5)" in words
    assert "BRANCH 75 %, CONTINUE 25 %, 10 % into branches that were pruned; 6.5 branches an episode, 50 %" in words
    assert (
        "7 ended because it stopped with branches that could go on, saying “the vote is clear”: 5 right, 1,234" in words
    )
