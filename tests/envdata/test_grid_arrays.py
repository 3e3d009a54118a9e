"""A grid's arrays as researchers read them, on the grid that is worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from envdata.grid import Grid
from envdata.grid_arrays import NO_ANSWER
from tests import grids


@pytest.fixture
def worked(tmp_path: Path) -> Grid:
    return Grid.load(grids.write_worked(tmp_path))


def spelt(grid: Grid, question: int) -> list[list[str | None]]:
    codes = grid.arrays.answers_by_depth(question)
    return [
        [None if code == NO_ANSWER else grid.arrays.answer_text(question, code) for code in row]
        for row in codes.tolist()
    ]


def test_answers_are_a_matrix_of_branch_by_depth(worked: Grid) -> None:
    assert spelt(worked, 0) == [
        ["5", "7", "7", None],
        ["ERR", "5", "5", "5"],
        ["7", None, None, None],
        ["7", "7", "7", None],
        ["7", "7", "5", None],
        ["5", "5", "?", "No"],
    ]
    assert [worked.arrays.answers_by_depth(question).shape for question in range(3)] == [(6, 4), (6, 5), (4, 3)]


def test_tokens_are_those_that_reaching_a_depth_costs(worked: Grid) -> None:
    assert worked.arrays.tokens_by_depth(0).tolist() == [
        [10, 20, 25, 25],
        [10, 20, 30, 40],
        [8, 8, 8, 8],
        [10, 20, 30, 30],
        [10, 20, 57, 57],
        # Three intervals were recorded of a branch of 12 tokens.
        [10, 20, 30, 30],
    ]


def test_gold_codes_say_where_a_branch_is_right(worked: Grid) -> None:
    arrays = worked.arrays
    right = arrays.answers_by_depth(0) == arrays.gold_code[0]
    assert right[0].tolist() == [False, True, True, False]
    assert arrays.gold_code.shape == (3,)
    # No branch gives the third gold answer: nothing is right, what lies beyond an end included.
    assert arrays.gold_code[2] == -1
    assert not (arrays.answers_by_depth(2) == arrays.gold_code[2]).any()
    # "5" is spelt before "7", which is the gold answer.
    assert arrays.gold_code[0] != 0


def test_flat_arrays_have_the_shapes_that_are_documented(worked: Grid) -> None:
    arrays, branches = worked.arrays, 16
    assert (worked.interval, len(worked.questions), worked.gold_answers) == (10, 3, ["7", "12", "3"])
    assert arrays.first_branch.tolist() == [0, 6, 12, branches]
    assert arrays.tokens[arrays.branches_of(2)].tolist() == [5, 11, 22, 20]
    assert arrays.intervals[arrays.branches_of(2)].tolist() == [0, 1, 2, 1]
    assert arrays.first_answer.shape == (branches,)
    assert len(arrays.answer_codes) == int(np.sum(arrays.intervals + 1))
    assert arrays.confidences is None
    assert arrays.probe_tokens is None


def test_costs_and_confidences_lie_beside_the_answers(tmp_path: Path) -> None:
    arrays = Grid.load(grids.write_priced(tmp_path)).arrays
    assert arrays.probe_tokens is not None
    assert arrays.confidences is not None
    first = slice(int(arrays.first_answer[1]), int(arrays.first_answer[2]))
    assert arrays.probe_tokens[first].tolist() == [2, 2, 6, 0]
    assert arrays.confidences[first].tolist()[:3] == [-1, -0.125, -2]
    assert np.isnan(arrays.confidences[first][-1])


def test_arrays_cannot_be_written(worked: Grid) -> None:
    with pytest.raises(ValueError, match="read-only"):
        worked.arrays.answer_codes[0] = 1
