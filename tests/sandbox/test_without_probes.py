"""Replay of a grid that was collected without probes, with intervals: as live on a server that only streams."""

from pathlib import Path

import pytest

from autotts import Answer, Controller, Episode, NoProbe, play
from envdata.grid import Grid, write_grid
from tests import grids


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    write_grid(tmp_path / "grid.parquet", grids.rows(), grids.INTERVAL, {"probes": False})
    return Grid.load(tmp_path / "grid.parquet")


class Leaves(Controller):
    """Leaves branches that have not ended after two intervals."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {}

    def solve(self, episode: Episode) -> Answer | None:
        for refused in (lambda: episode.branch(1), lambda: episode.branch(2, probe=True)):
            with pytest.raises(NoProbe, match=r"or a grid with probes: give probe=False"):
                refused()
        assert (episode.tokens, len(episode.branches)) == (0, 0)
        branches = episode.branch(4, probe=False)
        going = [branch for branch in branches if branch.active]
        assert all(branch.answer is None for branch in going)
        with pytest.raises(NoProbe):
            episode.probe(going)
        with pytest.raises(NoProbe):
            episode.advance(going)
        episode.advance(going, probe=False)
        assert episode.tokens <= 4 * 2 * grids.INTERVAL
        assert all((branch.answer is None) == branch.active for branch in branches)
        return next((branch.answer for branch in branches if branch.finished), None)


def test_branches_can_be_left_but_not_probed(grid: Grid) -> None:
    assert not grid.probed
    answers = [play(Leaves, grid, question=question).answer for question in range(len(grid.questions))]
    assert any(answer is not None for answer in answers)
