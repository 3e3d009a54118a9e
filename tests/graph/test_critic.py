"""The critic's measurements of curves made by hand, and how they are put into words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from envdata.intervals import Interval
from graph.analysis.curves import Curve, Questions
from graph.analysis.traces.endings import Ending
from graph.analysis.traces.failure_digest import FAILURE_KINDS, FailureDigest
from graph.critic.behind import standings
from graph.critic.invariance import Invariance
from graph.critic.markdown import write_failures, write_measures
from graph.critic.measurement import Measures
from graph.critic.measures import Contract, Coverage, Drop, Monotonicity
from sandbox.evaluate import ignores_beta

NOTHING = Interval(0.0, 0.0, 0.0)


def curve(label: str, betas: tuple[float | None, ...], correct: list[list[float]], tokens: list[float]) -> Curve:
    """A sweep over one grid; every question costs the same at a point."""
    accuracy = np.array(correct)
    spent = np.repeat(np.array(tokens)[:, None], accuracy.shape[1], axis=1)
    return Curve(label, betas, (accuracy,), (spent,), {}, None)


BASELINE = curve("asc", (0.0, 0.5, 1.0), [[0, 0, 1], [1, 0, 1], [1, 1, 1]], [100, 200, 400])


def other_of(whole: Curve, points: int) -> Curve:
    """The first points of a curve."""
    return Curve(whole.label, whole.betas[:points], (whole.correct[0][:points],),
                 (whole.tokens_by_question[0][:points],), {}, None)  # fmt: skip


QUESTIONS = Questions(("g",), (("a", "b", "c"),))


def test_a_point_stands_against_the_best_curve_at_its_price() -> None:
    other = curve("sc", (0.0, 1.0), [[0, 0, 0], [1, 0, 0]], [50, 800])
    own = curve("c", (0.0, 0.5, 1.0), [[0, 0, 1], [0, 1, 1], [1, 1, 1]], [40, 200, 800])
    cheap, middle, dear = standings(own, [BASELINE, other], QUESTIONS)
    assert (cheap.rival, cheap.ahead) == (None, None)
    # asc is as accurate at 100 tokens.
    assert (cheap.cheapest, cheap.cheapest_tokens) == ("asc", 100)
    assert middle.rival == "asc"
    assert middle.ahead is not None
    assert middle.ahead.value == pytest.approx(0)
    assert (middle.cheapest, middle.cheapest_tokens) == ("asc", pytest.approx(200))
    # Curves stay after their last point.
    assert (dear.rival, dear.cheapest_tokens) == ("asc", 400)


def test_between_two_points_a_curve_is_read_in_log_tokens() -> None:
    own = curve("c", (None,), [[1, 0.5, 1]], [200 * 2**0.5])
    (found,) = standings(own, [BASELINE], QUESTIONS)
    assert found.ahead is not None
    assert found.ahead.value == pytest.approx(2.5 / 3 - 2.5 / 3)
    assert found.cheapest_tokens == pytest.approx(200 * 2**0.5)
    (beyond,) = standings(curve("c", (None,), [[1, 1, 1]], [150]), [other_of(BASELINE, 2)], QUESTIONS)
    assert (beyond.cheapest, beyond.cheapest_tokens) == (None, None)


@pytest.mark.parametrize(
    ("schedules", "ignored"),
    [([{"a": 1}, {"a": 1}], True), ([{"a": 1}, {"a": 2}], False), ([{"a": 1}], False), ([], False)],
)
def test_a_schedule_that_is_the_same_everywhere_ignores_beta(schedules: list[dict[str, float]], ignored: bool) -> None:
    assert ignores_beta(schedules) is ignored


PLAIN = Measures(
    "c",
    {
        "score": Interval(0.5, 0.4, 0.6),
        "over_baseline": Interval(-0.01, -0.02, 0.01),
        "contract": Contract({}, None, Invariance(12)),
        "monotonicity": Monotonicity([], []),
        "coverage": Coverage(100, 400, 0.5, 2.0),
        "gain": NOTHING,
        "against": standings(other_of(BASELINE, 1), [BASELINE], QUESTIONS),
        "digests": (),
    },
)


def with_values(**changed: Any) -> Measures:
    return replace(PLAIN, values={**PLAIN.values, **changed})


def test_a_sound_candidate_in_words() -> None:
    assert write_measures([PLAIN]).split("\n") == [
        "### c",
        "",
        "- Objective 50.00 (40.00 … 60.00); against the best baseline -1.00 (-2.00 … +1.00), paired.",
        "- Gain of the frontier over everything before: 0.00 (0.00 … 0.00).",
        "- Spends 100 … 400 tokens: 50 % of the range; the widest gap is a factor of 2.00.",
        "",
        "| β | %, at tokens | less the best before at these tokens | the cheapest before for this accuracy |",
        "|---|---|---|---|",
        "| 0 | 33.3 at 100 | 0.00 (-63.10 … +63.10) to asc | 100, 1.00 times as many (asc) |",
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
    assert said in write_measures([with_values(contract=contract)])


def test_what_moves_the_wrong_way_in_words() -> None:
    moved = with_values(monotonicity=Monotonicity(["width"], [Drop(0.1, 0.2, 500, 400)], ignores_beta=True))
    words = write_measures([moved])
    assert "Knobs whose schedule goes both ways: “width”." in words
    assert "β = 0.2 spends 400 tokens, less than β = 0.1 (500)." in words
    assert "the same at every β" in words


def test_failures_in_words() -> None:
    digest = FailureDigest(
        0.5, 100, 40, {**dict.fromkeys(FAILURE_KINDS, 0), "right_pruned": 2, "never_seen": 30, "overspent": 1},
        0.25, {"BRANCH": 0.75, "CONTINUE": 0.25}, 0.1, 6.5, 0.5, [Ending("stopped", "the vote is clear", 7, 5, 1234.0)],
        [(20, 25), (10, 15)], 12.4,
    )  # fmt: skip
    words = write_failures([with_values(digests=[digest])])
    assert (
        "β = 0.5: 40 of 100 traced episodes are wrong: in 30 no branch showed the right answer (coverage), in 10 one "
        "did (accuracy); by grid 20 + 5, 10 + 5. 25 % of the tokens came after the last change"
    ) in words
    assert "2 wrong, after a branch with the right answer was pruned." in words
    assert "right, with most of the tokens spent" not in words
    assert "BRANCH 75 %, CONTINUE 25 %, 10 % into branches that were pruned; 6.5 branches an episode, 50 %" in words
    assert "read to their ends, 12 calls." in words
    assert (
        "7 ended because it stopped with branches that could go on, saying “the vote is clear”: 5 right, 1,234" in words
    )
