"""The import of replay data in the JSON form of the public release."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from envdata.autotts_import import import_folder
from envdata.grid import Grid, GridError

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
        *(
            ([ONE | {"each_branch": [[["2"], tokens, "2"]]}], "question 0, branch 0: is not .* from 1 to 2,147,483,647")
            for tokens in (0, True, 1 << 31)
        ),
        ([[ONE]], "question 0: is not an object"),
        ([ONE | {"gold_answer": "ERR"}], "question 0: gold_answer is 'ERR', which marks the absence of an answer"),
    ],
)
def test_errors_say_where(tmp_path: Path, content: object, message: str) -> None:
    source = put(tmp_path / "in", content)
    with pytest.raises(GridError, match=message) as refused:
        list(import_folder(tmp_path / "in", tmp_path / "out"))
    assert str(refused.value).startswith((str(source), str(tmp_path / "out")))
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_question_without_branches_is_an_error_wherever_it_stands(tmp_path: Path, place: int) -> None:
    questions = [ONE | {"question": f"What is 1 + {number}?"} for number in range(3)]
    questions[place]["each_branch"] = []
    put(tmp_path / "in", questions)
    with pytest.raises(GridError, match=f"question {place} has no branches"):
        list(import_folder(tmp_path / "in", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (json.dumps([ONE]).encode("utf-16"), "is not readable JSON: it is not UTF-8 text"),
        (gzip.compress(json.dumps([ONE]).encode(), mtime=0)[:-9], "is damaged gzip"),
        (json.dumps([ONE | {"probe_freq": 10**30}]).encode(), "'probe_freq' is 1000"),
        (json.dumps([ONE | {"probe_freq": 0}]).encode(), "'probe_freq' is 0, not a number of tokens from 1 up"),
        (json.dumps([ONE | {"each_branch": [[[], 10**30, "2"]]}]).encode(), "question 0, branch 0: is not"),
    ],
)
def test_what_no_grid_can_hold_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    put(tmp_path / "in", []).write_bytes(content)
    with pytest.raises(GridError, match=message):
        list(import_folder(tmp_path / "in", tmp_path / "out"))


def test_gzip_and_a_byte_order_mark_make_no_difference(tmp_path: Path) -> None:
    file = put(tmp_path / "in", [ONE])
    (plain,) = import_folder(tmp_path / "in", tmp_path / "plain")
    packed = file.with_name(file.name + ".gz")
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + file.read_bytes()))
    file.unlink()
    (unpacked,) = import_folder(tmp_path / "in", tmp_path / "packed")
    assert unpacked.target.name == "aime24.parquet"
    assert unpacked.target.read_bytes() == plain.target.read_bytes()


def test_repeated_questions_are_left_out_if_wanted(tmp_path: Path) -> None:
    put(tmp_path / "in", [ONE, ONE | {"question": "b"}, ONE])
    with pytest.raises(GridError, match="the text of an earlier question"):
        list(import_folder(tmp_path / "in", tmp_path / "out"))
    (imported,) = import_folder(tmp_path / "in", tmp_path / "out", dedupe=True)
    assert (imported.questions, imported.branches) == (2, 4)
    put(tmp_path / "in", [ONE, ONE | {"gold_answer": "3"}])
    with pytest.raises(GridError, match="question 1 repeats question 0 with another answer"):
        list(import_folder(tmp_path / "in", tmp_path / "out", dedupe=True))


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    put(tmp_path / "in", [ONE]).write_text("{")
    with pytest.raises(GridError, match="is not readable JSON"):
        list(import_folder(tmp_path / "in", tmp_path / "out"))
