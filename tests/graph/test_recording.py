"""A copy of a run that can be published: whole but for what repeats its grids, and read without them."""

import runpy
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from graph.explorers.recorded import RecordedExplorer
from graph.report.page.render import write_report
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from graph.run.record import load

copy_recording = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "recording.py"))["copy_recording"]


@pytest.fixture(scope="module")
def recording(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("recordings") / "first"
    copy_recording(finished, out)
    return out


def test_a_recording_has_proposals_and_figures_and_nothing_of_the_grids(finished: Path, recording: Path) -> None:
    kept = {str(path.relative_to(recording)) for path in recording.rglob("*") if path.is_file()}
    assert {"run.toml", "result.json", "selected.py", "round-001/transcript.jsonl", "round-001/critique.md"} <= kept
    assert not any(
        Path(name).name in ("secret", "traces.parquet", "report.html", "checkpoints.sqlite") for name in kept
    )
    before, now = (pq.read_table(run / "round-001" / "evaluation.parquet") for run in (finished, recording))
    assert now.schema == before.schema
    assert now.column("answer").null_count == now.num_rows
    assert now.drop_columns("answer") == before.drop_columns("answer")


def test_its_proposals_can_be_played_again(finished: Path, recording: Path) -> None:
    first, copy = (RecordedExplorer(str(run)) for run in (finished, recording))
    copy.check_run(Pinned.load(finished / "run.toml"))
    assert copy.identity()["proposals"] == first.identity()["proposals"]


def test_its_page_needs_no_grid(recording: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(recording, tmp_path / "run"))
    settings = Pinned.load(run / "run.toml").settings
    grids = [Path(path) for path in (*settings.grids, *settings.heldout)]
    for grid in grids:
        grid.rename(tmp_path / grid.name)
    try:
        write_report(RunFolder(run))
        assert load(run).tables.rounds.num_rows == 1 + settings.rounds
    finally:
        for grid in grids:
            (tmp_path / grid.name).rename(grid)
    page = (run / "report.html").read_text()
    assert f"Episodes are not shown, for the run's grids are not here: {grids[0]}" in page


def test_an_unfinished_run_is_refused(recording: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(recording, tmp_path / "run"))
    (run / "result.json").unlink()
    with pytest.raises(SystemExit, match="has not ended"):
        copy_recording(run, tmp_path / "out")
    with pytest.raises(SystemExit, match="exists"):
        copy_recording(recording, run)
