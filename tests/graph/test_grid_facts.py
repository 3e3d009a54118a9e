"""Facts on grids, on branches told by hand, and that no fact depends on a spelling or on the order of questions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from envdata.grid import BranchRow, Grid, write_grid
from envdata.perturbations import permuted_grid
from graph.analysis.grid_facts.facts import GridFacts, grid_facts
from graph.analysis.grid_facts.markdown import write_facts
from tests.graph.small import write_small

TOLD = ["7", "5 7", "5 5 7", "7 5 5 5", "4 5", "? 7 4 4 4", "5 5 5 5 5 5", "?"]
"""Answers of the branches of one question whose gold answer is 7, the final one last; an answer an interval of 10."""


def grid(path: Path, told: Sequence[Sequence[str]]) -> Grid:
    """A grid with one question for each entry, of branches of as many intervals as answers, all of them whole."""
    rows = [
        BranchRow(question, f"question {question}", "7", number, 10 * len(words), words[-1], words[:-1])
        for question, branches in enumerate(told)
        for number, words in enumerate(branch.split() for branch in branches)
    ]
    write_grid(path, rows, 10, {})
    return Grid.load(path)


def facts(*grids: Grid) -> GridFacts:
    return grid_facts(grids, order="balanced", seed=0, ceiling=64)


@pytest.fixture
def told(tmp_path: Path) -> GridFacts:
    return facts(grid(tmp_path / "g.parquet", [TOLD]))


def test_revisions_and_lengths_of_branches(told: GridFacts) -> None:
    value = {key: figure.value for key, figure in told.figures.items()}
    assert value["single",] == 3 / 8
    assert value["covered",] == 1
    assert value["unparsed",] == 1 / 8
    # Right after 5; away from 7 in the fourth and the sixth.
    assert (value["mended",], value["spoilt",], value["kept right",]) == (2 / 8, 2 / 8, 3 / 5)
    # 5 has the most votes of the wrong ones: six gave it, three end with it.
    assert value["kept wrong",] == 3 / 5
    assert [value["part right", place] for place in range(8)] == [1, 0, 1, 0, 1, 0, 0, 0]
    assert sum(value["part tokens", place] for place in range(8)) == pytest.approx(1)
    # Lengths of right branches 1, 2, 3 against wrong ones 2, 4, 5, 6.
    assert value["branch", "shorter"] == pytest.approx((4 + 3.5 + 3) / 12)


def test_votes_of_whole_branches_and_of_those_that_end_first(told: GridFacts) -> None:
    value = {key: figure.value for key, figure in told.figures.items()}
    # 7 and 5 have three votes each of all eight: a shared lead counts by half.
    assert value["vote", 8] == value["pool", 8, 1.0] == 0.5
    # Of the first two to end one gives 7 and one no answer.
    assert (value["pool", 8, 0.25], value["pool gain", 8, 0.25]) == (1, 0.5)
    assert value["pool tokens", 8, 0.25] == 8 * 10
    assert value["pool depth", 8, 1.0] == 60
    assert sum(value["state", 4, place] for place in range(5)) == 1
    change = {place: value["change", 4, place, 2] for place in range(5) if ("change", 4, place, 2) in value}
    for place, gained in change.items():
        assert gained == pytest.approx(value["right", 4, place, 2] - value["right", 4, place, 1])
    assert ("change", 4, 0, 4) not in value


def test_the_interval_is_over_questions_and_grids_with_the_same_questions_are_one_sample(tmp_path: Path) -> None:
    right, wrong = ["7"] * 8, ["5"] * 8
    one = facts(grid(tmp_path / "a.parquet", [right, wrong, right, wrong])).figures["single",]
    assert one.value == 0.5
    assert one.reach == pytest.approx(3.1824 * (4 / 3 * 0.25 / 4) ** 0.5, rel=1e-3)
    same = grid(tmp_path / "b.parquet", [right, wrong, right, wrong])
    both = facts(same, same).figures["single",]
    assert (both.value, both.by_grid) == (0.5, (0.5, 0.5))
    assert both.reach == pytest.approx(one.reach)
    assert facts(grid(tmp_path / "c.parquet", [right])).figures["single",].reach is None


def test_a_grid_without_right_answers_and_with_few_branches_has_its_facts(tmp_path: Path) -> None:
    text = write_facts(facts(grid(tmp_path / "g.parquet", [["5", "?"], ["4", "4"]])))
    assert "| 1 | 2 × 2 | 10 / 10 / 10 | 0.0 | 0.0 | 25.0 |" in text
    assert "nan" not in text


def test_the_text_depends_on_no_spelling_and_on_no_order_of_questions(tmp_path: Path) -> None:
    grids = [Grid.load(write_small(tmp_path / f"{seed}.parquet", seed=seed, branches=32)) for seed in (0, 1)]
    text = write_facts(facts(*grids))
    backwards = [permuted_grid(each, range(len(each.questions))[::-1], respelt=True) for each in grids]
    assert write_facts(facts(*backwards)) == text
    for table in ("Who ends first", "Revisions", "Right from wrong", "What further branches change", "A pool ends"):
        assert f"**{table}" in text
    assert "| grid 1 |" in text
    assert "grid 0" not in text
    assert "grid 1" not in write_facts(facts(*grids, *grids, *grids, *grids))
    assert np.all([len(line) < 400 for line in text.splitlines()])
