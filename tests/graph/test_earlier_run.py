"""A run that an earlier version made can be opened, and goes on to the end that it had with that version.

`earlier_run/run` waits for the approval of round 2; `earlier_run/finished` holds what came of it then.
"""

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from graph.explorers.evolution.explorer import FAMILY
from graph.run.pinned import package_versions
from graph.run.record import load
from tests.graph.running import here

EARLIER = Path(__file__).with_name("earlier_run")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, in the folder that its grids' paths are relative to."""
    folder = Path(shutil.copytree(EARLIER, tmp_path / "earlier")) / "run"
    monkeypatch.chdir(folder.parent)
    return folder


def with_versions_of_now(run: Path) -> None:
    """Versions are pinned, and rightly so; here they are no part of what is tested."""
    file = run / "run.toml"
    said = file.read_text()
    for name, version in {**package_versions(), "family": FAMILY}.items():
        said = re.sub(rf'^{name} = ".*"$', f'{name} = "{version}"', said, flags=re.MULTILINE)
    file.write_text(said)


def test_it_can_be_opened(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = load(run)
    assert [each.best for each in record.rounds] == ["r1-01"]
    assert record.settings.betas == (0.0, 0.5, 1.0)
    assert record.tables.candidates["label"].to_pylist() == ["r1-01", "r1-02", "r1-03"]
    here(capsys, "report", run)


@pytest.mark.bubblewrap
def test_it_goes_on_to_the_same_end(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_versions_of_now(run)
    here(capsys, "discover", "--resume", run, "--approve")
    finished = run.parent / "finished"
    now, then = (json.loads((folder / "result.json").read_text()) for folder in (run, finished))
    # The interval of a difference has been kept within ±1 since.
    over = then["search"]["over_best_baseline"]
    over |= {"low": max(-1.0, over["low"]), "high": min(1.0, over["high"])}
    # Later versions say more, and nothing else.
    assert {name: now[name] for name in then} == then
    assert now["headline"]["text"].startswith("Held out: ")
    played = pq.read_table(run / "round-002" / "evaluation.parquet")
    earlier = pq.read_table(finished / "round-002-evaluation.parquet")
    assert played.select(earlier.column_names).equals(earlier)
