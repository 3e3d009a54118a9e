"""`autotts discover` as a user sees it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from envdata.locks import FolderLock
from graph.cli import main
from graph.loop import checkpoints
from graph.loop.checkpoints import THREAD, sqlite_checkpoints
from graph.run.paths import new_run_folder
from graph.run.record import load
from graph.run.settings import RunSettings
from tests.graph.conftest import SHORT
from tests.graph.running import autotts, files, here
from tests.graph.small import write_small


def test_a_run_leaves_the_files_that_the_design_names(finished: Path) -> None:
    names = {"controller.py", "proposal.md", "critique.md", "evaluation.parquet", "traces.parquet", "metrics.json"}
    assert names | {"transcript.jsonl"} <= {path.name for path in (finished / "round-001").iterdir()}
    for name in ("run.toml", "checkpoints.sqlite", "frontier.parquet", "report.html", "result.json", "selected.py"):
        assert (finished / name).is_file(), name


def test_the_selected_controller_is_at_least_as_good_as_the_baselines_and_round_1(finished: Path) -> None:
    history = load(finished)
    assert history.result is not None
    scores = history.result["search"]["scores"]
    selected = scores[history.result["selected"]]["value"]
    assert selected >= max(each["value"] for each in scores.values() if each is not None)
    assert history.result["search"]["over_best_baseline"]["value"] >= 0
    assert history.result["search"]["over_round_1_best"]["value"] >= 0
    every = [each["score"] for record in history.rounds for each in record.candidates if each["score"] is not None]
    assert selected >= max(every)


def test_checkpoints_hold_plain_and_small_state_and_bring_no_other_type_back(finished: Path) -> None:
    with sqlite_checkpoints(finished / "checkpoints.sqlite") as saver:
        stored = list(saver.list(THREAD))
        assert len(stored) > 4 * 2
        for each in stored:
            values = {name: value for name, value in each.checkpoint["channel_values"].items() if value is not None}
            assert len(json.dumps(values)) < 2000
        foreign = JsonPlusSerializer(allowed_msgpack_modules=True).dumps_typed(RunSettings(grids=("g",), heldout=()))
        assert not isinstance(saver.serde.loads_typed(foreign), RunSettings)


def test_the_frontier_is_not_beaten_by_any_point_of_the_run(finished: Path) -> None:
    history = load(finished)
    assert history.frontier is not None
    frontier = history.frontier.to_pylist()
    assert [row["tokens"] for row in frontier] == sorted(row["tokens"] for row in frontier)
    curves = [*history.baselines.values(), *(r.best_curve for r in history.rounds if r.best_curve is not None)]
    for curve in curves:
        for tokens, accuracy in zip(curve.tokens, curve.accuracy, strict=True):
            assert any(row["tokens"] <= tokens and row["accuracy"] >= accuracy for row in frontier)


@pytest.mark.slow
def test_jobs_and_being_resumed_after_the_end_change_nothing(
    tmp_path: Path, options: tuple[object, ...], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    done = autotts("discover", *options, "--jobs", 2, "--out", run, "--json")
    assert done.returncode == 0, done.stderr
    assert files(run) == files(finished)
    again = here(capsys, "discover", "--resume", run, "--json")
    assert json.loads(again.out) == json.loads(done.stdout.splitlines()[-1])
    assert files(run) == files(finished)


def test_a_resume_with_another_value_is_refused_and_names_it(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = here(capsys, "discover", "--resume", finished, "--seed", 7, code=1)
    assert refused.err.splitlines()[-1] == (
        "Error: seed: the run began with 0, and cannot go on with 7; start a new run for that"
    )


def test_a_resume_with_another_grid_is_refused_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid, run = write_small(tmp_path / "grid.parquet"), tmp_path / "run"
    here(capsys, "discover", "--grid", grid, *SHORT, "--baselines", "sc", "--rounds", 1, "--out", run, "--quiet")
    write_small(grid, seed=5)
    refused = here(capsys, "discover", "--resume", run, code=1)
    assert f"the content of {grid}" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--grid", "nowhere.parquet"], 1, "nowhere.parquet: cannot be read"),
        (["--heldout", "x.parquet"], 2, "--heldout goes with --grid"),
        (["--objective", "luck"], 2, "'luck' is not an objective; give gain, area, saving@sc"),
        (["--explorer", "nobody", "--grid", "GRID"], 1, "there is no explorer 'nobody'; there are "),
        (["--sandbox", "cellar", "--grid", "GRID"], 1, "cellar"),
        (["--grid", "GRID", "--heldout", "GRID"], 1, "is both searched on and held out"),
        (["--resume", "empty"], 1, "empty holds no run (no run.toml)"),
        (["--resume", "empty", "--out", "other"], 2, "--resume says which folder"),
        (["--rounds", "0"], 2, "--rounds"),
    ],
)
def test_what_a_user_can_mend_ends_in_one_line(
    tmp_path: Path,
    grids: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    given = [str(grids[0]) if each == "GRID" else each for each in arguments]
    out = [] if "--resume" in given else ["--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        main(["discover", *given, *out])
    assert ended.value.code == code
    assert says in capsys.readouterr().err


def test_a_folder_that_holds_a_run_is_not_started_anew(
    finished: Path, options: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = here(capsys, "discover", *options, "--out", finished, code=1)
    assert f"{finished} holds a run already; go on with it by --resume {finished}" in refused.err


def test_a_run_that_another_process_is_starting_in_the_folder_is_left_alone(
    tmp_path: Path, options: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(FolderLock(tmp_path)):
        refused = here(capsys, "discover", *options, "--seed", 7, "--out", tmp_path, code=1)
    assert refused.err.splitlines()[-1] == (
        f"Error: process {os.getpid()} on {socket.gethostname()} works in {tmp_path}; wait for it, or end it: one "
        "process at a time works on a run, and another run needs another --out"
    )
    assert not list(tmp_path.iterdir())


def test_runs_of_one_second_get_folders_of_their_own_which_go_if_nothing_is_written(tmp_path: Path) -> None:
    with contextlib.ExitStack() as entered:
        folders = [entered.enter_context(new_run_folder(tmp_path / "runs")) for _ in range(3)]
        assert len(set(folders)) == 3
        (folders[1] / "run.toml").touch()
    assert list((tmp_path / "runs").iterdir()) == [folders[1]]


def test_checkpoints_that_another_process_has_locked_are_waited_for_and_its_id_is_told(
    tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    monkeypatch.setattr(checkpoints, "BUSY_SECONDS", 0.1)
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN IMMEDIATE'); print(flush=True)"
    command = [sys.executable, "-c", f"{hold}; input()", str(run / "checkpoints.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        refused = here(capsys, "discover", "--resume", run, "--rounds", 3, "--sandbox", "process", code=1)
        holder.kill()
    last = refused.err.splitlines()[-1]
    assert f"checkpoints.sqlite: database is locked for 0.1 s by process {holder.pid} (" in last
    assert last.endswith(f"; once that is mended: autotts discover --resume {run}")


def test_answers_reach_neither_the_critique_nor_the_proposals(finished: Path) -> None:
    # The gold answers of the small grid are 100 … 105; nothing else in these files is, but for shares of 100 %.
    for name in ("critique.md", "proposal.md", "metrics.json", "measures.json"):
        said = (finished / "round-001" / name).read_text(encoding="utf-8")
        assert not any(f'"{100 + question}"' in said or f" {100 + question} " in said for question in range(1, 6))
    shown = pq.read_table(finished / "round-001" / "traces.parquet").column("answer").to_pylist()
    assert "105" in shown


@pytest.mark.bubblewrap
def test_the_strongest_sandbox_is_taken_by_default(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    short = ["--rounds", 1, "--candidates", 1, "--repeats", 1, "--screening-repeats", 1, "--betas", "0,1"]
    done = here(capsys, "discover", "--grid", grids[0], *short, "--baselines", "sc", "--jobs", 1, "--out", run)
    assert 'sandbox = "process"' not in (run / "run.toml").read_text()
    assert "selected:" in done.out
    assert "round 1 of 1" in done.err
