"""Racing: who is spared the full evaluation, and that nobody falls who might be the best."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.analysis.curves import Questions
from graph.analysis.objective import Objective, Scorer
from graph.loop.racing import Race, race, stages

GRID = "grid.parquet"
QUESTIONS = 40
YARDSTICK = Scorer(Objective("gamma", 0.0), 1.0, 2.0, Questions((GRID,), (tuple(map(str, range(QUESTIONS))),)))
"""γ = 0: the score is the accuracy."""


class Track:
    """Candidates that answer each question rightly with a chance of their own, the same in every repeat."""

    def __init__(self, chances: dict[str, float], failing: dict[str, int] | None = None, seed: int = 0) -> None:
        self.chances, self.failing, self.seed = chances, failing or {}, seed
        self.played: list[tuple[tuple[str, ...], int, int]] = []

    def play(self, labels: Sequence[str], first: int, last: int) -> pa.Table:
        self.played.append((tuple(labels), first, last))
        rows = []
        for label in labels:
            for repeat in range(first, last):
                rng = np.random.default_rng([self.seed, sorted(self.chances).index(label), repeat])
                right = rng.random(QUESTIONS) < self.chances[label]
                failed = self.failing.get(label) == repeat
                rows += [
                    {
                        "controller": label, "grid": GRID, "beta": 0.5, "question": q, "correct": bool(right[q]),
                        "tokens": 100, "status": "exception" if failed else "ok", "why": "KeyError" if failed else None,
                    }
                    for q in range(QUESTIONS)
                ]  # fmt: skip
        schema = pa.schema(
            [("controller", pa.string()), ("grid", pa.string()), ("beta", pa.float64()), ("question", pa.int32()),
             ("correct", pa.bool_()), ("tokens", pa.int64()), ("status", pa.string()), ("why", pa.string())]
        )  # fmt: skip
        return pa.Table.from_pylist(rows, schema)

    def race(self, plan: Sequence[int] = (2, 4, 8), *, places: int = 10, dropping: bool = True) -> Race:
        return race(list(self.chances), plan, self.play, YARDSTICK, [GRID], places=places, dropping=dropping)


def test_one_that_is_clearly_behind_is_dropped_at_once_and_close_ones_run_to_the_end() -> None:
    track = Track({"good": 0.8, "close": 0.78, "hopeless": 0.1})
    outcome = track.race()
    assert set(outcome.finalists) == {"good", "close"}
    assert outcome.dropped["hopeless"].after == 2
    assert outcome.dropped["hopeless"].behind > 0.4
    assert track.played[1:] == [(tuple(outcome.finalists), 2, 4), (tuple(outcome.finalists), 4, 8)]
    assert outcome.report(8) == {
        "dropped": {"hopeless": {"after": 2, "leader": outcome.dropped["hopeless"].leader,
                                 "behind": outcome.dropped["hopeless"].behind}},
        "repeats": {"good": 8, "close": 8, "hopeless": 2},
        "replays": 18,
        "unraced": 24,
    }  # fmt: skip


def test_finalists_have_every_repeat_once() -> None:
    outcome = Track({"a": 0.6, "b": 0.6}).race()
    counts = outcome.episodes.group_by("controller").aggregate([("correct", "count")]).to_pylist()
    assert {row["controller"]: row["correct_count"] for row in counts} == {"a": 8 * QUESTIONS, "b": 8 * QUESTIONS}


def test_without_racing_everybody_is_played_in_full() -> None:
    track = Track({"good": 0.9, "hopeless": 0.05})
    outcome = track.race(stages(2, 8, racing=False), dropping=False)
    assert set(outcome.finalists) == {"good", "hopeless"}
    assert not outcome.dropped
    assert [(first, last) for _, first, last in track.played] == [(0, 2), (2, 8)]


def test_the_best_places_alone_run_on_and_ties_go_to_the_earlier() -> None:
    track = Track({"a": 1.0, "b": 1.0, "c": 1.0})
    assert track.race(places=2).finalists == ["a", "b"]


@pytest.mark.parametrize("when", [0, 3])
def test_one_with_an_episode_that_failed_does_not_run_on(when: int) -> None:
    outcome = Track({"a": 0.9, "b": 0.5, "fails": 0.9}, {"fails": when}).race()
    assert "fails" not in outcome.finalists
    assert outcome.failed["fails"].failures == {"exception": QUESTIONS}
    assert outcome.repeats["fails"] == (2 if when == 0 else 4)


def test_a_round_in_which_all_fail_has_no_finalists() -> None:
    outcome = Track({"a": 0.5}, {"a": 0}).race()
    assert outcome.finalists == []
    assert outcome.report(8)["replays"] == 2


@pytest.mark.parametrize(
    ("first", "last", "racing", "expected"),
    [(2, 8, True, (2, 4, 8)), (2, 7, True, (2, 4, 7)), (3, 8, False, (3, 8)), (8, 8, True, (8,)), (9, 4, True, (4,))],
)
def test_stages(first: int, last: int, racing: bool, expected: tuple[int, ...]) -> None:
    assert stages(first, last, racing=racing) == expected


@settings(max_examples=40)
@given(chances=st.lists(st.floats(0, 1), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_whoever_leads_at_the_end_of_the_raced_is_a_finalist(chances: list[float], seed: int) -> None:
    """Dropping takes nobody with the best score of a stage, and those that stay are scored as without racing."""
    names = {f"c{i}": chance for i, chance in enumerate(chances)}
    raced, full = Track(names, seed=seed).race((1, 2, 3)), Track(names, seed=seed).race((1, 2, 3), dropping=False)
    assert raced.finalists
    assert max(raced.scores, key=raced.scores.__getitem__) not in {
        label for label, each in raced.dropped.items() if each.after == 1
    }
    assert raced.scores == full.scores
