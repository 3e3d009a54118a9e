"""`autotts discover` as a user sees it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from graph.checkpoints import THREAD, sqlite_checkpoints
from graph.cli import main
from graph.history import load
from graph.settings import RunSettings
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
    here(capsys, "discover", "--grid", grid, *SHORT, "--rounds", 1, "--candidates", 1, "--out", run, "--quiet")
    write_small(grid, seed=5)
    refused = here(capsys, "discover", "--resume", run, code=1)
    assert f"the content of {grid}" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--grid", "nowhere.parquet"], 1, "nowhere.parquet: cannot be read"),
        (["--heldout", "x.parquet"], 2, "--heldout goes with --grid"),
        (["--objective", "luck"], 2, "'luck' is not an objective; give area, gamma:"),
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


def test_answers_reach_neither_the_critique_nor_the_proposals(finished: Path) -> None:
    # The gold answers of the small grid are 100 … 105, which nothing else in these files is.
    for name in ("critique.md", "proposal.md", "metrics.json", "measures.json"):
        said = (finished / "round-001" / name).read_text(encoding="utf-8")
        assert not any(f'"{100 + question}"' in said or f" {100 + question} " in said for question in range(6))
    shown = pq.read_table(finished / "round-001" / "traces.parquet").column("answer").to_pylist()
    assert "105" in shown


@pytest.mark.bubblewrap
def test_the_strongest_sandbox_is_taken_by_default(tmp_path: Path, grids: tuple[Path, Path]) -> None:
    run = tmp_path / "run"
    short = ["--rounds", 1, "--candidates", 1, "--repeats", 1, "--screening-repeats", 1, "--betas", "0,1"]
    done = autotts("discover", "--grid", grids[0], *short, "--out", run)
    assert done.returncode == 0, done.stderr
    assert 'sandbox = "process"' not in (run / "run.toml").read_text()
    assert "selected:" in done.stdout
    assert "round 1 of 1" in done.stderr
