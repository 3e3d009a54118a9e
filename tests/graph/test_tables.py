"""A run's tables: complete, joined to one another by round and label, and readable by other tools."""

import shutil
from pathlib import Path

from graph.run.paths import read_json
from graph.run.record import load
from graph.run.tables import CALLS, CANDIDATES, ROUNDS, TABLES
from graph.run.transcript import Transcript


def test_every_candidate_has_a_row_with_its_source_and_its_figures(finished: Path) -> None:
    table = load(finished).tables.candidates
    assert table.schema == CANDIDATES
    rows = table.to_pylist()
    assert [row["label"] for row in rows] == [f"r{number}-{place:02d}" for number in (1, 2) for place in (1, 2, 3)]
    for row in rows:
        folder = finished / f"round-{row['round']:03d}"
        assert row["source"] == (folder / "candidates" / f"{row['label']}.py").read_text(encoding="utf-8")
        assert row["knobs"] >= 1
    result = read_json(finished / "result.json")
    chosen = [row["label"] for row in rows if row["selected"]]
    assert chosen == ([] if result["incumbent"] else [result["selected"]])


def test_the_gain_of_the_frontier_never_falls_and_the_last_one_counts_everything(finished: Path) -> None:
    history = load(finished)
    table = history.tables.rounds
    assert table.schema == ROUNDS
    rows = table.to_pylist()
    assert [row["round"] for row in rows] == [0, 1, 2]
    gains = [row["gain"] for row in rows]
    assert gains == sorted(gains)
    assert gains[0] == 0
    # What a round's best candidate scores, the frontier of all candidates together scores at least.
    assert all(row["frontier"] >= row["score"] for row in rows if row["score"] is not None)
    assert sum(row["episodes"] for row in rows) <= read_json(finished / "accounting.json")["total"]["episodes"]


def test_episodes_and_traces_name_their_rounds(finished: Path) -> None:
    tables = load(finished).tables
    stages = set(zip(*(tables.episodes.column(name).to_pylist() for name in ("round", "stage")), strict=True))
    assert stages == {(0, "full"), (None, "heldout"), (1, "screening"), (1, "full"), (2, "screening"), (2, "full")}
    assert set(tables.traces.column("round").to_pylist()) <= {1, 2}
    assert tables.traces.num_rows
    assert tables.frontier.num_rows
    labels = set(tables.candidates.column("label").to_pylist())
    assert set(tables.knobs.column("label").to_pylist()) == labels
    assert tables.drafts.num_rows >= len(labels)


def test_calls_are_told_apart_by_what_answered_them(tmp_path: Path, finished: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    transcript = Transcript(run / "round-001" / "transcript.jsonl")
    usage = {"input": 100, "cached": 40, "written": 0, "output": 30, "thinking": 10}
    for sent in ("proposer/1-0/aa", "proposer/1-0/aa", "critic/1/bb"):
        transcript.record("call", id=sent, model="model-1", worst={"input": 1, "output": 1, "cost": None})
        if sent.endswith("bb"):
            transcript.record("failed", id=sent, why="no route", billed="no")
    transcript.record("reply", id="proposer/1-0/aa", model="model-1", text="…", usage=usage, cost=0.25, seconds=2.5)
    table = load(run).tables.calls
    assert table.schema == CALLS
    rows = table.to_pylist()
    assert [(row["node"], row["outcome"]) for row in rows] == [
        ("proposer", "open"), ("proposer", "reply"), ("critic", "failed"),
    ]  # fmt: skip
    assert (rows[1]["input"], rows[1]["thinking"], rows[1]["cost"]) == (100, 10, 0.25)
    assert rows[2]["why"] == "no route"


def test_a_run_in_its_first_round_has_all_tables(tmp_path: Path, finished: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for number in (1, 2):
        shutil.rmtree(run / f"round-{number:03d}")
    for name in ("result.json", "heldout.parquet", "frontier.parquet"):
        (run / name).unlink()
    tables = load(run).tables
    assert {name: getattr(tables, name).num_rows for name in ("candidates", "frontier", "traces")} == {
        "candidates": 0, "frontier": 0, "traces": 0,
    }  # fmt: skip
    assert tables.rounds.num_rows == 1


def test_other_tools_read_the_tables(tmp_path: Path, finished: Path) -> None:
    import pyarrow.parquet as pq

    tables = load(finished).tables
    for name in TABLES:
        table = getattr(tables, name)
        pq.write_table(table, tmp_path / f"{name}.parquet")
        assert pq.read_table(tmp_path / f"{name}.parquet").to_pylist() == table.to_pylist()
    best = tables.candidates.to_pandas().groupby("round")["screening"].max().to_dict()
    rows = [row for row in tables.candidates.to_pylist() if row["screening"] is not None]
    assert best == {number: max(row["screening"] for row in rows if row["round"] == number) for number in (1, 2)}
