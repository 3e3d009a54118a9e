"""The commands and the Python of the documents run as they stand, in a folder that has what they name.

They run one after the other, with smaller searches and sweeps than a reader's, by the variables that set defaults.
"""

import functools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pyarrow.parquet as pq
import pytest

import autotts
from envdata.grid import BranchRow, write_grid
from tests.docs.snippets import DOCUMENTS, ROOT, Block, Command, blocks, name, runnable
from tests.graph.running import command, here

pytestmark = [pytest.mark.docs, pytest.mark.bubblewrap]

SMALLER = {
    "DISCOVER_ROUNDS": 1, "DISCOVER_CANDIDATES": 2, "DISCOVER_FINALISTS": 1, "DISCOVER_REPEATS": 1,
    "DISCOVER_SCREENING_REPEATS": 1, "DISCOVER_BETAS": "0,1", "DISCOVER_BASELINES": "sc", "DISCOVER_JOBS": 1,
    "EVALUATE_REPEATS": 1, "EVALUATE_BETAS": "0,1", "EVALUATE_JOBS": 1, "UI_PORT": 0,
}  # fmt: skip
SERVERS = ("ui", "mcp")
"""Commands that go on until they are stopped."""
INTERVAL = 500
STUDY = """
explorers = ["evolution"]
seeds = [0]

[discover]
grid = ["grids/search.parquet"]
rounds = 1
candidates = 2
repeats = 1
betas = "0,1"
baselines = ["sc"]
"""
LOOK = """
from autotts import Answer, Branch, Controller, Episode, poll


{weight}

class Look(Controller):
    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {{"width": 4}}

    def solve(self, episode: Episode) -> Answer | None:
        branches = episode.branch(4)
        {loop}
        return poll({{branch.answer: weight(branch) for branch in branches if branch.finished}}).winner
"""
"""A controller around the two excerpts of docs/controllers.md."""


def write_long(path: Path, *, shift: int = 0) -> Path:
    """Write a small grid of long branches with texts, confidences and a signal; `shift` gives other questions."""
    rows = []
    for question in range(4):
        gold = str(100 + question + shift)
        for branch in range(64):
            settled = 1 + (branch * 7 + question) % 5
            final = gold if (branch + shift) % 4 < 2 else str(branch % 3)
            probes = ["7" if depth < settled else final for depth in range(5)]
            text = f"What is {gold} + 0, asked {shift}?"
            rows.append(
                BranchRow(
                    question, text, gold, branch, INTERVAL * 5 + 1 + branch, final, probes, "stop", [-0.5] * 5, [4] * 5,
                    text=f"It is {final}.", signals={"token_confidence": [2.0] * 6},
                )
            )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_grid(path, rows, INTERVAL, {"source": "made for the tests"})
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the grids and controllers that documents name."""
    place = tmp_path / "place"
    search, other = write_long(place / "grids/search.parquet"), write_long(place / "grids/heldout.parquet", shift=20)
    shutil.copy(search, place / "grids/mine.parquet")
    shutil.copy(other, place / "grids/other.parquet")
    for model in ("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b"):
        write_long(tmp_path / "cache/fetched" / model / "aime24.parquet")
        write_long(tmp_path / "cache/fetched" / model / "aime25.parquet", shift=20)
    shutil.copy(ROOT / "graph/cli/starter/my_controller.py", place)
    (place / "envdata").symlink_to(ROOT / "envdata")
    monkeypatch.chdir(place)
    monkeypatch.setenv("AUTOTTS_CACHE", str(tmp_path / "cache"))
    for variable, value in SMALLER.items():
        monkeypatch.setenv(f"AUTOTTS_{variable}", str(value))
    return place


def prepare(document: str, place: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Make the files that a document has from its reader; returns the Python names that it has from there."""
    names: dict[str, Any] = {}
    match document:
        case "docs/collecting.md":
            (place / "pairs.csv").write_text("gold,answer,equal\n1/2,0.5,1\n2,3,0\n", encoding="utf-8")
            shutil.copy(place / "grids/search.parquet", place / "trial.parquet")
            table = pq.read_table(place / "trial.parquet").replace_schema_metadata()
            pq.write_table(table, place / "rewritten.parquet")
            names |= {"pandas": pandas, "autotts": autotts, "score": lambda text, depth: len(text) / (1 + depth)}
        case "docs/controllers.md":
            whole, *_ = (block.text for block in blocks(ROOT / document) if block.language == "python")
            (place / "margin.py").write_text(whole, encoding="utf-8")
        case "docs/discoveries.md":
            shutil.copytree(ROOT / "examples", place / "examples", ignore=shutil.ignore_patterns("report.html"))
        case "docs/studying.md":
            (place / "STUDY.toml").write_text(STUDY, encoding="utf-8")
            here(capsys, "study", "STUDY.toml", "--quiet")
            shutil.copytree(next(place.glob("studies/*/runs/*")), place / "runs/first")
            names |= {"pyarrow": pyarrow}
        case "docs/watching.md":
            here(capsys, "discover", "--grid", "grids/search.parquet", "--out", "runs/mine", "--quiet")
    return names


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if runnable(path)], ids=name)
def test_a_document(
    path: Path, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = prepare(name(path), place, capsys)
    for each in runnable(path):
        if isinstance(each, Command):
            typed(each, capsys, monkeypatch)
        elif name(path) != "docs/controllers.md":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(autotts, "evaluate", functools.partial(autotts.evaluate, betas=(0, 1), repeats=1))
                exec(compile(each.text, f"{path}:{each.line}", "exec"), names)


def typed(given: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry out a command."""
    program, *arguments = given.words
    match program:
        case "cd":
            monkeypatch.chdir(arguments[0])
        case "autotts" if arguments[0] in SERVERS:
            served(*arguments)
        case "autotts":
            here(capsys, *arguments, code=given.status)
        case _:
            subprocess.run(["bash", "-c", given.text], check=True)


def served(*arguments: str) -> None:
    """Start a server, wait until it speaks or its input ends, and stop it."""
    with subprocess.Popen(
        command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as server:  # fmt: skip
        assert server.stdout
        said = server.stdout.readline()
        if arguments[0] == "ui":
            assert "http://127.0.0.1:" in said
            server.send_signal(signal.SIGINT)
        assert server.wait(60) in (0, 130), said + server.stdout.read()


def test_the_excerpts_of_a_controller(place: Path) -> None:
    _, loop, weight = (block for block in blocks(ROOT / "docs/controllers.md") if block.language == "python")
    assert isinstance(loop, Block)
    source = LOOK.format(weight=weight.text, loop=loop.text.replace("\n", "\n        ").rstrip())
    (place / "look.py").write_text(source, encoding="utf-8")
    played = autotts.evaluate("look.py", "grids/search.parquet", betas=(0,), repeats=1).to_pandas()
    assert set(played["status"]) == {"ok"}
