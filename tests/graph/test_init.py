"""`autotts init`: each file of the folder works, and each command of its README is carried out."""

import json
import re
import shlex
from pathlib import Path

import pytest

from graph.cli import COMMANDS
from graph.cli.init import FILES
from graph.run.record import load
from graph.study.plan import read_plan
from tests.graph.running import here


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    told = here(capsys, "init", "mine")
    assert "cd mine && autotts evaluate my_controller.py" in told.out
    monkeypatch.chdir(tmp_path / "mine")
    # Smaller than a user's, by the variables that come before the file.
    for name, value in {
        "EVALUATE_REPEATS": "1", "EVALUATE_BETAS": "0,1", "EVALUATE_SANDBOX": "process", "EVALUATE_JOBS": "1",
        "DISCOVER_ROUNDS": "1", "DISCOVER_CANDIDATES": "2", "DISCOVER_REPEATS": "1", "DISCOVER_BETAS": "0,1",
        "DISCOVER_SANDBOX": "process", "DISCOVER_JOBS": "1", "DISCOVER_BASELINES": "sc",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AUTOTTS_{name}", value)
    return tmp_path / "mine"


def commands(readme: Path) -> list[list[str]]:
    """The commands of a document: its indented lines and its inline code that begin with `autotts`."""
    text = readme.read_text()
    found = re.findall(r"^ {4,}(autotts .+)$", text, re.M) + re.findall(r"`(autotts [^`]+)`", text.replace("\n", " "))
    return [shlex.split(line)[1:] for line in dict.fromkeys(found)]


def test_its_controller_is_evaluated_by_the_first_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = commands(folder / "README.md")[0]
    assert first == ["evaluate", "my_controller.py", "sc", "asc"]
    rows = [json.loads(line) for line in here(capsys, *first, "--json", "--quiet").out.splitlines()]
    assert {row["controller"] for row in rows if row.get("status") == "ok"} == {"my_controller.py", "sc", "asc"}


def test_the_other_commands_of_the_readme_exist(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, *_ in commands(folder / "README.md"):
        assert "Usage: autotts" in here(capsys, name, "--help").out


@pytest.mark.slow
def test_the_second_command_is_a_search_on_the_bundled_grids(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = commands(folder / "README.md")[1]
    assert second == ["discover", "--out", "runs/first"]
    here(capsys, *second, "--quiet")
    run = load(Path("runs/first"))
    assert run.folder.selected.exists()
    assert run.settings.heldout == ("bundled/heldout",)


def test_the_study_stands_for_four_runs(folder: Path) -> None:
    plan = read_plan(folder / "study.toml")
    assert [run.settings.rounds for run in plan.runs] == [2] * 4


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_controller.py").write_text("mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = here(capsys, "init", code=1).err
    assert "my_controller.py" in told
    assert "autotts init NEW" in told
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(before) == sorted(FILES)


def test_the_tutorial_gives_the_same_commands(folder: Path) -> None:
    told = commands(Path(__file__).parents[2] / "docs" / "tutorial.md")
    assert [each for each in commands(folder / "README.md")[:3] if each not in told] == []
    assert all(each[0] in COMMANDS for each in told if not each[0].startswith("-"))
