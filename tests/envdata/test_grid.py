"""Grids through their public doors: writing, reading, the cache, and errors that name file, row and column."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from envdata import gridcheck
from envdata.grid import BranchRow, Grid, GridError, cache_folder, write_grid
from tests import grids


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOTTS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "grids"


def answers_of(grid: Grid, question: int, branch: int) -> list[str]:
    """Every answer of a branch, read back through the arrays: the probes, and then the final one."""
    arrays = grid.arrays
    b = int(arrays.first_branch[question]) + branch
    start = int(arrays.first_answer[b])
    codes = arrays.answer_codes[start : start + int(arrays.intervals[b]) + 1]
    return [arrays.answer_text(question, int(code)) for code in codes]


@pytest.mark.parametrize("seed", range(8))
def test_what_was_written_is_read_back(tmp_path: Path, seed: int) -> None:
    rows = grids.random_rows(random.Random(seed), questions=4, priced=seed % 2 == 1)
    grid = Grid.load(grids.write(tmp_path / "g.parquet", rows))
    assert grid.interval == grids.INTERVAL
    assert dict(grid.provenance) == {"source": "worked out by hand for the tests"}
    for row in rows:
        assert grid.questions[row.question_id] == row.question
        assert grid.gold_answers[row.question_id] == row.gold_answer
        assert answers_of(grid, row.question_id, row.branch) == [*row.probe_answers, row.final_answer]
        b = int(grid.arrays.first_branch[row.question_id]) + row.branch
        assert grid.arrays.tokens[b] == row.tokens
        start = int(grid.arrays.first_answer[b])
        probes = slice(start, start + len(row.probe_answers))
        if row.probe_tokens is not None:
            assert grid.arrays.probe_tokens is not None
            assert grid.arrays.probe_tokens[probes].tolist() == row.probe_tokens
            assert grid.arrays.confidences is not None
            assert grid.arrays.confidences[probes].tolist() == row.probe_confidences


def test_a_gold_answer_that_no_branch_gives_has_no_code(tmp_path: Path) -> None:
    grid = Grid.load(grids.write_worked(tmp_path))
    assert [int(code) >= 0 for code in grid.arrays.gold_code] == [True, True, False]
    assert grid.branches.tolist() == [6, 6, 4]


# ---- the cache -------------------------------------------------------------------------------------------------


def test_a_second_load_maps_the_cache(tmp_path: Path, cache: Path) -> None:
    path = grids.write_priced(tmp_path)
    first = Grid.load(path)
    (kept,) = cache.iterdir()
    assert kept.name.startswith(first.content_hash)
    second = Grid.load(path)
    for name in ("tokens", "answer_codes", "first_answer", "confidences", "probe_tokens", "gold_code"):
        ours, theirs = getattr(second.arrays, name), getattr(first.arrays, name)
        assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
        assert not ours.flags.writeable
        assert not ours.flags.owndata  # a view of the mapped file
    assert second.questions == first.questions


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0 but nothing else", b"x" * 4096])
def test_a_damaged_cache_is_built_again(tmp_path: Path, cache: Path, damage: bytes) -> None:
    path = grids.write_worked(tmp_path)
    Grid.load(path)
    (kept,) = cache.iterdir()
    kept.write_bytes(damage)
    assert answers_of(Grid.load(path), 0, 1) == ["ERR", "5", "5", "5"]
    assert kept.read_bytes() != damage


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AUTOTTS_CACHE", str(tmp_path / "file"))
    assert answers_of(Grid.load(grids.write_worked(tmp_path)), 1, 2) == ["6", "6"]


def test_another_content_has_another_place_in_the_cache(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "g.parquet"
    first = Grid.load(grids.write(path, grids.rows("one: 1\n 0 5 - 1")))
    second = Grid.load(grids.write(path, grids.rows("one: 1\n 0 5 - 2")))
    assert first.content_hash != second.content_hash
    assert answers_of(second, 0, 0) == ["2"]
    assert len(list(cache.iterdir())) == 2


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTTS_CACHE", "/a")
    assert cache_folder() == Path("/a/grids")
    monkeypatch.delenv("AUTOTTS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_folder() == Path("/b/autotts/grids")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert cache_folder() == Path("/c/.cache/autotts/grids")


# ---- what a table must be: errors name file, row and column ----------------------------------------------------

Change = Callable[[dict[str, list[Any]]], None]


def put(column: str, row: int, value: object) -> Change:
    def change(columns: dict[str, list[Any]]) -> None:
        columns[column][row] = value

    return change


def drop(column: str) -> Change:
    return lambda columns: columns.pop(column)


def add(column: str, value: object) -> Change:
    return lambda columns: columns.update({column: [value] * len(columns["branch"])})


def written(path: Path, change: Change, metadata: dict[bytes, bytes] | None = None) -> Path:
    """The priced grid as Parquet, with a change that `write_grid` would not let through."""
    rows = grids.rows(grids.PRICED)
    columns: dict[str, list[Any]] = {
        field.name: [getattr(row, field.name) for row in rows]
        for field in gridcheck.SCHEMA
        if field.name not in ("finish_reason", "text")
    }
    change(columns)
    loose = {field.name: field.with_nullable(True).type for field in gridcheck.SCHEMA}
    free = {name for name, values in columns.items() if values and isinstance(values[0], str)}
    arrays = {name: pa.array(values, None if name in free else loose.get(name)) for name, values in columns.items()}
    said = {gridcheck.FORMAT: b"1", gridcheck.INTERVAL: b"10"} if metadata is None else metadata
    pq.write_table(pa.table(arrays).replace_schema_metadata(said), path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(put("tokens", 2, 0), "row 2, column 'tokens': 0 is below 1", id="no tokens"),
        pytest.param(put("tokens", 6, None), "row 6, column 'tokens': is null", id="null tokens"),
        pytest.param(put("final_answer", 1, None), "row 1, column 'final_answer': is null", id="null final answer"),
        pytest.param(put("question", 3, "other"), "row 3, column 'question': 'other' differs", id="question changes"),
        pytest.param(put("gold_answer", 5, "8"), "row 5, column 'gold_answer': '8' differs", id="gold changes"),
        pytest.param(put("branch", 1, 2), "row 1, column 'branch': 2 breaks the numbering", id="branch left out"),
        pytest.param(put("branch", 4, 4), "row 4, column 'branch': 4 breaks the numbering", id="branch goes on"),
        pytest.param(put("question_id", 0, 1), "row 0, column 'question_id': 1 ", id="first question is not 0"),
        pytest.param(put("question_id", 4, 2), "row 4, column 'question_id': 2 does not go on", id="question left out"),
        pytest.param(put("question_id", 6, 0), "row 6, column 'question_id': 0 does not go on", id="question again"),
        pytest.param(put("probe_answers", 1, ["7", None]), "row 1, column 'probe_answers': holds a null", id="a null"),
        pytest.param(put("probe_answers", 3, None), "row 3, column 'probe_answers': is null", id="null list"),
        pytest.param(
            put("probe_confidences", 5, [-1.0, -1.0]), "row 5, column 'probe_confidences': ", id="confidences too long"
        ),
        pytest.param(put("probe_confidences", 5, None), "row 5, column 'probe_confidences': ", id="no confidences"),
        pytest.param(
            put("probe_confidences", 6, [-1.0, None, -1.0]),
            "row 6, column 'probe_confidences': holds a null",
            id="null confidence",
        ),
        pytest.param(
            put("probe_confidences", 4, [-1.0, float("nan")]),
            "row 4, column 'probe_confidences': nan is not a finite number",
            id="confidence is no number",
        ),
        pytest.param(put("probe_tokens", 6, [1, 1, -1]), "row 6, column 'probe_tokens': -1 ", id="negative probe cost"),
        pytest.param(put("probe_tokens", 0, [3]), "row 0, column 'probe_tokens': ", id="probe costs too short"),
        pytest.param(drop("tokens"), "column 'tokens' is missing", id="column missing"),
        pytest.param(add("probe_answer", "7"), "unknown column 'probe_answer'", id="column unknown"),
        pytest.param(add("tokens", "many"), "column 'tokens': string is not int32", id="column of another type"),
        pytest.param(
            lambda columns: columns.update({name: [] for name in columns}), "has no rows", id="nothing in it"
        ),
    ],
)  # fmt: skip
def test_a_grid_that_breaks_the_format_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    path = written(tmp_path / "broken.parquet", change)
    with pytest.raises(GridError) as refused:
        Grid.load(path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_the_second_question_may_not_repeat_the_first(tmp_path: Path) -> None:
    def same(columns: dict[str, list[Any]]) -> None:
        columns["question"] = [columns["question"][0]] * len(columns["question"])

    with pytest.raises(GridError, match="row 4, column 'question': the text of an earlier question"):
        Grid.load(written(tmp_path / "g.parquet", same))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "metadata 'autotts.format' is None"),
        ({b"autotts.format": b"2", b"autotts.interval": b"10"}, "'autotts.format' is b'2'.*grid import"),
        ({b"autotts.format": b"1"}, "'autotts.interval' is b''"),
        ({b"autotts.format": b"1", b"autotts.interval": b"0"}, "'autotts.interval' is b'0', not a whole number"),
        ({b"autotts.format": b"1", b"autotts.interval": b"-5"}, "'autotts.interval' is b'-5'"),
        ({b"autotts.format": b"1", b"autotts.interval": b"10", b"autotts.provenance": b"[1]"}, "not a JSON object"),
        ({b"autotts.format": b"1", b"autotts.interval": b"10", b"autotts.provenance": b"\xff"}, "not a JSON object"),
    ],
)
def test_the_metadata_has_to_say_what_the_grid_is(tmp_path: Path, metadata: dict[bytes, bytes], message: str) -> None:
    path = written(tmp_path / "g.parquet", lambda _: None, metadata)
    with pytest.raises(GridError, match=message) as refused:
        Grid.load(path)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"question,branch\n1,2\n"])
def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "g.parquet"
    path.write_bytes(content)
    with pytest.raises(GridError, match="is not a readable Parquet file"):
        Grid.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="No such file or directory"):
        Grid.load(tmp_path / "none.parquet")
    with pytest.raises(GridError, match="Is a directory"):
        Grid.load(tmp_path)


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "g.parquet"
    kept = grids.write(path, grids.rows()).read_bytes()
    for wrong, message in (
        (BranchRow(0, "q", "1", 0, 0, "1", []), "row 0, column 'tokens'"),
        (BranchRow(0, "q", "1", 0, 1 << 40, "1", []), "does not fit the format"),
        (BranchRow(0, "q", "1", 0, 5, "1", [None]), "column 'probe_answers'"),  # type: ignore[list-item]
    ):
        with pytest.raises(GridError, match=message):
            write_grid(path, [wrong], 10, {})
    with pytest.raises(GridError, match=r"autotts\.interval"):
        write_grid(path, grids.rows(), 0, {})
    assert path.read_bytes() == kept
    assert [file.name for file in tmp_path.iterdir()] == ["g.parquet"]


def test_columns_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    assert pq.read_schema(grids.write_worked(tmp_path)).names == [
        "question_id", "question", "gold_answer", "branch", "tokens", "final_answer", "probe_answers",
    ]  # fmt: skip


def test_columns_may_stand_in_any_order_and_in_wider_types(tmp_path: Path) -> None:
    path = grids.write_priced(tmp_path)
    table = pq.read_table(path)
    mixed = table.select(table.column_names[::-1])
    at = mixed.column_names.index("tokens")
    mixed = mixed.set_column(at, "tokens", mixed.column("tokens").cast(pa.int64()))
    pq.write_table(mixed, path)
    assert Grid.load(path).arrays.tokens.tolist() == [25, 31, 9, 45, 22, 14, 12]
