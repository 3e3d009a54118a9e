"""The import of replay data in the JSON form of the public release."""

import json
from pathlib import Path
from typing import Any

import pytest

from envdata.grid import Grid, GridError
from envdata.published import import_folder

ONE: dict[str, Any] = {
    "question": "What is 1 + 1?",
    "gold_answer": "2",
    "probe_freq": 500,
    "final_answers_trace": ["2", "3"],
    "each_branch": [[["ERR", "2"], 1100, "2"], [[], 80, "3"]],
}


def put(folder: Path, content: object, name: str = "Model-A/aime24.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_every_file_becomes_a_grid_at_the_same_place(tmp_path: Path) -> None:
    put(tmp_path / "in", [ONE, ONE | {"question": "What is 1 + 2?", "gold_answer": "3"}])
    put(tmp_path / "in", [ONE], "Model-B/other.json")
    done = list(import_folder(tmp_path / "in", tmp_path / "out"))
    assert [(str(one.target.relative_to(tmp_path / "out")), one.questions, one.branches) for one in done] == [
        ("Model-A/aime24.parquet", 2, 4),
        ("Model-B/other.parquet", 1, 2),
    ]
    grid = Grid.load(done[0].target)
    assert grid.interval == 500
    assert grid.questions == ["What is 1 + 1?", "What is 1 + 2?"]
    assert grid.gold_answers == ["2", "3"]
    assert grid.provenance["model"] == "Model-A"
    assert grid.provenance["benchmark"] == "aime24"
    assert grid.arrays.tokens.tolist() == [1100, 80, 1100, 80]
    assert grid.arrays.intervals.tolist() == [2, 0, 2, 0]


def test_the_models_may_lie_one_level_down(tmp_path: Path) -> None:
    put(tmp_path / "in" / "grids", [ONE])
    assert len(list(import_folder(tmp_path / "in", tmp_path / "out"))) == 1


def test_a_folder_without_any(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="name the folder above the models' folders"):
        list(import_folder(tmp_path, tmp_path / "out"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not a list with one object a question"),
        ({"question": "?"}, "not a list with one object a question"),
        (["what?"], "question 0"),
        ([{k: v for k, v in ONE.items() if k != "gold_answer"}], "question 0: 'gold_answer' is missing"),
        ([ONE, ONE | {"question": "b", "probe_freq": 250}], r"'probe_freq' takes several values, \[250, 500\]"),
        ([ONE | {"gold_answer": 2}], "question 0: question and gold_answer are strings"),
        ([ONE | {"each_branch": [[["2"], 10, "2"], [["2"], "10", "2"]]}], "question 0, branch 1: is not"),
        ([ONE | {"each_branch": [[["2", None], 10, "2"]]}], "question 0, branch 0: is not"),
        ([ONE | {"each_branch": [[["2"], 0, "2"]]}], "row 0, column 'tokens': 0 is below 1"),
    ],
)
def test_errors_say_where(tmp_path: Path, content: object, message: str) -> None:
    source = put(tmp_path / "in", content)
    with pytest.raises(GridError, match=message) as refused:
        list(import_folder(tmp_path / "in", tmp_path / "out"))
    assert str(refused.value).startswith((str(source), str(tmp_path / "out")))
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").rglob("*.parquet"))


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    put(tmp_path / "in", [ONE]).write_text("{")
    with pytest.raises(GridError, match="is not readable JSON"):
        list(import_folder(tmp_path / "in", tmp_path / "out"))
