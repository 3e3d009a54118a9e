"""Grids through their public doors: writing, reading, the cache, and errors that name file, row and column."""

import dataclasses
import os
import pwd
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdata import grid_schema
from envdata.cache import NoCache, cache_folder
from envdata.grid import BranchRow, Grid, GridError, write_grid
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


@settings(max_examples=60)
@given(place=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_a_cache_with_one_bit_turned_is_built_again(place: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTTS_CACHE", folder)
        path = grids.write_priced(Path(folder))
        Grid.load(path)
        (kept,) = cache_folder("grids").iterdir()
        whole = bytearray(sound := kept.read_bytes())
        whole[place % len(whole)] ^= 1 << bit
        kept.write_bytes(whole)
        grid = Grid.load(path)
        assert [answers_of(grid, 0, branch) for branch in range(3)] == [["5", "7", "7"], ["7", "7", "5", "7"], ["5"]]
        assert grid.arrays.tokens.tolist() == [25, 31, 9, 45, 22, 14, 12]
        assert kept.read_bytes() == sound


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
    assert cache_folder("grids") == Path("/a/grids")
    monkeypatch.delenv("AUTOTTS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_folder("grids") == Path("/b/autotts/grids")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert cache_folder("grids") == Path("/c/.cache/autotts/grids")


def test_a_user_without_a_home_has_no_cache_and_loads_grids_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTOTTS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda number: {}[number])
    with pytest.raises(NoCache, match="no home folder; name a folder that can be written in AUTOTTS_CACHE"):
        cache_folder("grids")
    assert answers_of(Grid.load(grids.write_worked(tmp_path)), 1, 2) == ["6", "6"]


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
        for field in grid_schema.SCHEMA
        if field.name not in ("finish_reason", "text", "probe_prefill")
    }
    change(columns)
    loose = {field.name: field.with_nullable(True).type for field in grid_schema.SCHEMA}
    free = {name for name, values in columns.items() if values and isinstance(values[0], str)}
    arrays = {name: pa.array(values, None if name in free else loose.get(name)) for name, values in columns.items()}
    said = {grid_schema.FORMAT: b"1", grid_schema.INTERVAL: b"10"} if metadata is None else metadata
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
            put("probe_confidences", 4, [-1.0, float("inf")]),
            "row 4, column 'probe_confidences': inf is not a finite number",
            id="confidence is no number",
        ),
        pytest.param(put("probe_tokens", 6, [1, 1, -1]), "row 6, column 'probe_tokens': -1 ", id="negative probe cost"),
        pytest.param(put("probe_tokens", 0, [3]), "row 0, column 'probe_tokens': ", id="probe costs too short"),
        pytest.param(
            lambda columns: columns.update(probe_prefill=[*columns["probe_tokens"][:6], [1, 1, -1]]),
            "row 6, column 'probe_prefill': -1 ",
            id="negative prefill",
        ),
        pytest.param(
            add("signal_verifier", [0.5] * 9), "row 0, column 'signal_verifier': [0.5, ", id="signal of another length"
        ),
        pytest.param(add("signal_Score!", [0.5]), "a signal's name has up to 40 small letters", id="signal's name"),
        pytest.param(
            add("signal_probe_confidence", [0.5]), "this signal is the column 'probe_confidences'", id="signal twice"
        ),
        pytest.param(
            lambda columns: columns.update({f"signal_s{n}": columns["probe_confidences"] for n in range(17)}),
            "has 17 signals; a grid has 16 at most",
            id="too many signals",
        ),
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


def test_signals_lie_beside_the_intervals(tmp_path: Path) -> None:
    """Branches 0 and 1 have a value for the last step too, branch 2 has none at all."""
    rows = grids.rows(grids.PRICED)
    values = [[0.25 * depth for depth in range(len(row.probe_answers) + (row.branch < 2))] for row in rows]
    lists = [None if row.branch == 2 else own for row, own in zip(rows, values, strict=True)]
    found = [
        dataclasses.replace(row, signals=None if own is None else {"verifier": own})
        for row, own in zip(rows, lists, strict=True)
    ]
    path = grids.write(tmp_path / "g.parquet", found)
    for _ in range(2):  # built, then mapped from the cache
        arrays = Grid.load(path).arrays
        assert arrays.signal_names == ("probe_confidence", "verifier")
        assert list(arrays.signals) == ["verifier"]
        for number, (row, own) in enumerate(zip(rows, lists, strict=True)):
            start = int(arrays.first_answer[number])
            expected = np.full(len(row.probe_answers) + 1, np.nan, np.float32)
            expected[: len(own or ())] = own or ()
            np.testing.assert_array_equal(arrays.signals["verifier"][start : start + len(expected)], expected)
    by_depth = Grid.load(path).arrays.signal_by_depth(1, "verifier")
    assert by_depth.shape == Grid.load(path).arrays.answers_by_depth(1).shape
    assert by_depth[0].tolist()[0] == 0
    assert np.isnan(by_depth[2]).all()
    foreign = written(tmp_path / "foreign.parquet", lambda columns: columns.update(signal_verifier=lists))
    again = Grid.load(foreign).arrays.signals["verifier"]
    np.testing.assert_array_equal(again, arrays.signals["verifier"])


def test_a_grid_without_signals_has_none(tmp_path: Path) -> None:
    assert Grid.load(grids.write_worked(tmp_path)).arrays.signal_names == ()


@pytest.mark.parametrize("none", [None, float("nan"), -float("inf")])
def test_a_confidence_that_is_not_known_is_none(tmp_path: Path, none: float | None) -> None:
    grid = Grid.load(written(tmp_path / "g.parquet", put("probe_confidences", 6, [-1.0, none, -0.5])))
    assert grid.arrays.confidences is not None
    start = int(grid.arrays.first_answer[6])
    assert np.array_equal(grid.arrays.confidences[start : start + 3], np.float32([-1, np.nan, -0.5]), equal_nan=True)


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
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GridError, match="a pipe or a device, and no file"):
        Grid.load(tmp_path / "pipe")


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
