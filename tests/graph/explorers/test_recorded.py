"""`recorded:RUN` gives a finished run once more; where it would not, it refuses and names the value."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from graph.explorers.base import Brief, ExplorerError
from graph.explorers.recorded import RecordedExplorer
from graph.loop.checkpoints import THREAD, sqlite_checkpoints
from graph.loop.machine import run
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned
from graph.run.transcript import Transcript
from tests.graph.running import files, here
from tests.graph.test_loop import SOUND, Make, Scripted


def test_a_run_played_back_ends_as_the_recorded_one(
    tmp_path: Path, options: tuple[object, ...], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again"
    done = here(capsys, "discover", *options, "--explorer", f"recorded:{finished}", "--out", out, "--json")
    said = json.loads(done.out.splitlines()[-1])
    assert said.pop("event") == "result"
    # Printed beside the result, and with this run's own minutes.
    del said["accounting"]
    assert said == read_json(finished / "result.json")
    # The settings and the page that shows them name the explorer; everything else is the same.
    named = {"run.toml", "report.html"}
    ours, theirs = files(out), files(finished)
    assert {name: data for name, data in ours.items() if name not in named} == {
        name: data for name, data in theirs.items() if name not in named
    }
    states = []
    for folder in (finished, out):
        with sqlite_checkpoints(folder / "checkpoints.sqlite") as saver:
            found = saver.get_tuple(THREAD)
            assert found is not None
            state = dict(found.checkpoint["channel_values"])
            assert state.pop("controller") == str(folder / "selected.py")
            states.append(state)
    assert states[0] == states[1]


def test_what_did_not_load_and_what_was_said_of_it_come_back(make_context: Make, tmp_path: Path) -> None:
    broken = ["def", "class Nothing: pass"]
    first = make_context(Scripted([SOUND, broken[0]], [broken[1]], [broken[1]]))
    run(first)
    recorded = RecordedExplorer(str(first.folder.path))
    context = replace(make_context(recorded), folder=RunFolder(tmp_path / "again"))
    run(context)
    assert files(context.folder.path) == {name: data for name, data in files(first.folder.path).items()
                                          if name != "run.toml"}  # fmt: skip
    assert "a diagnosis" in context.folder.round(1).critique.read_text(encoding="utf-8")
    said = read_json(context.folder.round(1).metrics)
    assert [each["status"] for each in said["candidates"]] == ["ok", "contract_error"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seed": 3}, "seed: the recorded run had 0, this one 3"),
        ({"repeats": 3}, "repeats: the recorded run had 2, this one 3"),
        ({"rounds": 3}, "rounds: the recorded run had 2, this one 3"),
        ({"betas": (0.5,)}, "betas: the recorded run had"),
        ({"objective": "accuracy@50"}, "objective: "),
        ({"budget": 10**6}, "budget: "),
    ],
)
def test_another_run_than_the_recorded_one_is_refused(finished: Path, changed: dict[str, object], says: str) -> None:
    pinned = Pinned.load(finished / "run.toml")
    recorded = RecordedExplorer(str(finished))
    with pytest.raises(ExplorerError, match="its proposals would be scored otherwise") as refused:
        recorded.check_run(replace(pinned, settings=pinned.settings.replace(**changed)))  # type: ignore[arg-type]
    assert says in str(refused.value)


def test_where_a_grid_lies_does_not_matter_but_what_is_in_it_does(finished: Path) -> None:
    pinned = Pinned.load(finished / "run.toml")
    recorded = RecordedExplorer(str(finished))
    (grid,) = pinned.settings.grids
    moved = replace(
        pinned,
        settings=pinned.settings.replace(grids=("moved.parquet",), heldout=(), rounds=1, sandbox="bubblewrap"),
        grid_hashes={"moved.parquet": pinned.grid_hashes[grid]},
    )
    recorded.check_run(moved)
    with pytest.raises(ExplorerError, match="the grids' content"):
        recorded.check_run(replace(moved, grid_hashes={"moved.parquet": "other"}))


def test_the_command_line_refuses_before_anything_is_played(
    tmp_path: Path, options: tuple[object, ...], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    base = ("discover", *options, "--seed", 5, "--explorer", f"recorded:{finished}", "--out", out)
    refused = here(capsys, *base, code=1)
    assert "seed: the recorded run had 0, this one 5" in refused.err
    assert not out.exists()


def test_only_a_finished_run_can_be_played_back(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(ExplorerError, match="as in recorded:runs/mine"):
        RecordedExplorer("")
    with pytest.raises(ExplorerError, match="holds no run"):
        RecordedExplorer(str(tmp_path))
    (tmp_path / "run.toml").write_bytes((finished / "run.toml").read_bytes())
    with pytest.raises(ExplorerError, match="this run has not ended; finish it with autotts discover --resume"):
        RecordedExplorer(str(tmp_path))


def test_its_identity_changes_with_what_was_proposed(tmp_path: Path, finished: Path) -> None:
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    before = RecordedExplorer(str(copy)).identity()["proposals"]
    assert before == RecordedExplorer(str(finished)).identity()["proposals"]
    (copy / "round-001" / "candidates" / "r1-01.py").write_text("changed")
    assert RecordedExplorer(str(copy)).identity()["proposals"] != before
    (copy / "round-001" / "candidates" / "r1-01.py").unlink()
    with pytest.raises(ExplorerError, match="round 1 is not complete"):
        RecordedExplorer(str(copy)).propose(_brief(1), Transcript(tmp_path / "transcript.jsonl"))


def _brief(number: int) -> Brief:
    return Brief(number, 2, 3, 0, (0.0, 1.0), "area", 1.0, 2.0, {})
