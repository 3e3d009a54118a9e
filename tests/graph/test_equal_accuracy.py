"""The width at which self-consistency is as accurate as a controller on a grid."""

from pathlib import Path

import pytest

from envdata.episodes import Terms
from graph.analysis.equal_accuracy import NoEqualAccuracy, equal_accuracy
from sandbox.candidate import Candidate
from tests import grids

RIGHT = "q: 7\n 0 15 7 7\n 1 16 7 7\n 2 16 7 7"
RIGHT += "\nr: 8\n 0 15 5 8\n 1 16 6 6\n 2 15 8 8\ns: 9\n 0 15 9 9\n 1 15 1 1\n 2 15 9 9"
LATE = "q: 7\n 0 15 7 5\n 1 16 7 5\nr: 8\n 0 15 8 4\n 1 16 8 4"
"""A grid whose branches give up their right answers in the end."""


def candidate(name: str, body: str) -> Candidate:
    return Candidate(
        name,
        "from sandbox.tts import *\nclass Mine(Controller):\n    @staticmethod\n    def schedule(beta): return {}\n"
        f"    def solve(self, episode):\n        {body}\n",
    )


@pytest.mark.parametrize("name", ["sc", "mine"])
def test_self_consistency_is_as_accurate_as_itself_at_its_own_width(name: str, tmp_path: Path) -> None:
    grid = str(grids.write(tmp_path / "g.parquet", grids.rows(RIGHT)))
    three = Candidate.parse("sc:branches=3") if name == "sc" else candidate(
        "sc", "return majority(branch.answer for branch in episode.read(3))"
    )  # fmt: skip
    found = equal_accuracy(three, 0.5, grid, Terms(), sandbox="process")
    assert found.branches.value == pytest.approx(3, abs=0.05)
    assert found.reached
    assert found.branches.low is not None
    assert (found.questions, found.repeats) == (3, 20)


def test_self_consistency_that_is_never_as_accurate(tmp_path: Path) -> None:
    grid = str(grids.write(tmp_path / "g.parquet", grids.rows(LATE)))
    found = equal_accuracy(
        candidate("early", "return episode.branch(1)[0].answer"), 0.5, grid, Terms(), sandbox="process"
    )
    assert found.accuracy.value == 1
    assert not found.reached


def test_a_controller_that_fails_on_the_grid_is_compared_with_nothing(tmp_path: Path) -> None:
    grid = str(grids.write(tmp_path / "g.parquet", grids.rows(LATE)))
    with pytest.raises(NoEqualAccuracy, match=r"episodes of the controller fail on .*boom"):
        equal_accuracy(candidate("dies", "raise OSError('boom')"), 0.5, grid, Terms(), sandbox="process")
