"""Selection among candidates: what holds on every grid is preferred, and what luck adds to a score is told."""

from dataclasses import asdict

import numpy as np
import pytest

from graph.analysis.curves import Curve, Questions
from graph.analysis.objective import Objective, Scorer
from graph.analysis.selection import Contender, select
from graph.report.selection_text import selection_lines

TEXTS = tuple(map(str, range(30)))


def contender(label: str, *grids: np.ndarray, knobs: int = 1, size: int = 100) -> Contender:
    """A candidate with one point of 100 tokens, and these shares of right repeats, for each grid of shape (30,)."""
    correct = tuple(own[None, :] for own in grids)
    tokens = tuple(np.full_like(own, 100.0) for own in correct)
    return Contender(label, Curve(label, (None,), correct, tokens, {}, None), knobs, size)


def flat(accuracy: float) -> np.ndarray:
    return np.full(30, accuracy)


def scorer(grids: int) -> Scorer:
    names = tuple(f"{n}.parquet" for n in range(grids))
    return Scorer(Objective.parse("accuracy@100"), 1, 100, Questions(names, (TEXTS,) * grids))


def uneven(first: float, second: float) -> np.ndarray:
    """Right on other questions than even ones are, so that the difference from them lies within its interval."""
    return np.concatenate([np.full(15, first), np.full(15, second)])


def test_among_candidates_within_each_others_intervals_the_worst_grid_decides() -> None:
    lopsided = contender("lopsided", flat(1.0), uneven(0.0, 0.6))
    steady = contender("steady", uneven(1.0, 0.4), uneven(0.9, 0.2))
    selection = select([lopsided, steady], scorer(2))
    assert (selection.top, selection.tied) == ("lopsided", ("lopsided", "steady"))
    assert selection.label == "steady"
    assert selection.by_grid["lopsided"] == pytest.approx((1.0, 0.3))
    assert "its worst grid is the best: 55.00 on 1" in selection_lines(asdict(selection), ["0", "1"])[0]


def test_a_significantly_better_candidate_is_selected_whatever_its_worst_grid() -> None:
    ahead = contender("ahead", flat(1.0), flat(0.5))
    behind = contender("behind", flat(0.6), flat(0.55))
    selection = select([behind, ahead], scorer(2))
    assert (selection.label, selection.tied) == ("ahead", ("ahead",))


@pytest.mark.parametrize(
    ("knobs", "sizes", "expected"), [((3, 2), (100, 200), "b"), ((2, 2), (100, 99), "b"), ((2, 2), (99, 99), "a")]
)
def test_among_equals_the_simpler_then_the_shorter_then_the_earlier_one(
    knobs: tuple[int, int], sizes: tuple[int, int], expected: str
) -> None:
    same = [contender(name, flat(0.5), knobs=n, size=size) for name, n, size in zip("ab", knobs, sizes, strict=True)]
    assert select(same, scorer(1)).label == expected


def test_optimism_is_what_luck_adds_to_the_best_of_many_that_are_all_alike() -> None:
    scores, optimism = [], []
    for seed in range(10):
        draws = np.random.default_rng(seed).random((20, 2, 30))
        selection = select([contender(f"c{n}", *(own < 0.5).astype(float)) for n, own in enumerate(draws)], scorer(2))
        for left_out in (selection.questions, selection.grids):
            assert left_out is not None
            scores.append(left_out.score)
            optimism.append(left_out.optimism.value)
    assert np.mean(scores) == pytest.approx(0.5, abs=0.06)
    assert np.mean(optimism) > 0.05


def test_a_single_candidate_has_no_optimism() -> None:
    selection = select([contender("only", uneven(1.0, 0.0))], scorer(1))
    assert selection.questions is not None
    assert (selection.questions.score, selection.questions.optimism.value) == (0.5, 0.0)
    assert selection.grids is None
    assert selection_lines(None, ["0"]) == []
