"""Grids as other tools write them: the files of `foreign/` are theirs, the other types are built with Arrow.

`foreign/` holds one grid of two questions with two branches each, written by pandas 3.1 (with Arrow), polars 2.1,
DuckDB 2.0 and fastparquet 2026.9, each by its own writer.
"""

import functools
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdata import decompression
from envdata.grid import Grid, GridError
from envdata.grid_schema import check, conform
from envdata.table_columns import ColumnError, as_type
from envdata.table_import import import_table
from tests import grids

FOREIGN = Path(__file__).parent / "foreign"


def content(grid: Grid) -> dict[str, Any]:
    arrays = grid.arrays
    question = [q for q, count in enumerate(grid.branches) for _ in range(count)]
    places = [q for q, length in zip(question, arrays.intervals, strict=True) for _ in range(length + 1)]
    confidences = [] if arrays.confidences is None else arrays.confidences.tolist()
    return {
        "interval": grid.interval,
        "questions": grid.questions,
        "gold": grid.gold_answers,
        "branches": grid.branches.tolist(),
        "tokens": arrays.tokens.tolist(),
        "answers": [arrays.answer_text(q, int(code)) for q, code in zip(places, arrays.answer_codes, strict=True)],
        "confidences": [None if value != value else value for value in confidences],
        "costs": None if arrays.probe_tokens is None else arrays.probe_tokens.tolist(),
    }


@pytest.mark.parametrize("name", sorted(file.name for file in FOREIGN.glob("*.parquet")))
def test_what_other_tools_wrote_is_read(name: str) -> None:
    assert content(Grid.load(FOREIGN / name)) == {
        "interval": 10,
        "questions": ["sum: é", "prod"],
        "gold": ["7", "12"],
        "branches": [2, 2],
        "tokens": [25, 9, 22, 14],
        "answers": ["5", "7", "7", "5", "12", "6", "6", "6", "12"],
        "confidences": [-0.5, -0.25, None, None, -0.5, -3.0, None, -0.25, None],
        "costs": [3, 4, 0, 0, 2, 2, 0, 5, 0],
    }


# ---- types ------------------------------------------------------------------------------------------------------

INTS = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.uint32(), pa.int64(), pa.uint64(), pa.float32(),
        pa.float64(), pa.decimal128(9, 0), pa.decimal128(20, 3), pa.decimal256(40, 1),
        pa.dictionary(pa.int8(), pa.int64())]  # fmt: skip
TEXTS = [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(),
         pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int16(), pa.large_string())]  # fmt: skip
REALS = [pa.float16(), pa.float64(), pa.decimal128(12, 4)]


@st.composite
def changes(draw: st.DrawFn) -> dict[str, pa.DataType]:
    """A type for each column, all of which can hold the priced grid."""
    whole, text = st.sampled_from(INTS), st.sampled_from(TEXTS)

    def listed(inner: pa.DataType) -> st.SearchStrategy[pa.DataType]:
        return st.sampled_from([pa.list_(inner), pa.large_list(inner), pa.list_view(inner), pa.large_list_view(inner)])

    types = {name: draw(whole) for name in ("question_id", "branch", "tokens")}
    types |= {name: draw(text) for name in ("question", "gold_answer", "final_answer")}
    types["probe_answers"] = draw(listed(draw(st.sampled_from([pa.string(), pa.large_string(), pa.binary()]))))
    types["probe_confidences"] = draw(listed(draw(st.sampled_from(REALS))))
    types["probe_tokens"] = draw(listed(draw(st.sampled_from(INTS[:-1]))))
    return types


def as_other(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.Array:
    """A column as another type; through Python where Arrow has no cast."""
    values = column.to_pylist()
    if pa.types.is_dictionary(wanted):
        return pa.array(values, wanted.value_type).dictionary_encode().cast(wanted)
    inner = wanted.value_type if hasattr(wanted, "value_type") else wanted
    if pa.types.is_decimal(inner):
        values = [[Decimal(str(v)) for v in each] if isinstance(each, list) else Decimal(each) for each in values]
    return pa.array(values, wanted)


@settings(max_examples=40)
@given(changes())
def test_types_that_mean_the_same_are_read_as_the_same(types: dict[str, pa.DataType]) -> None:
    table = _priced()
    columns = {name: as_other(table.column(name), kind) for name, kind in types.items()}
    other = conform(pa.table(columns).replace_schema_metadata(table.schema.metadata), "other")
    check(other, "other")
    assert other.equals(conform(table, "own"))


@functools.cache
def _priced() -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        return pq.ParquetFile(grids.write_priced(Path(folder))).read()


@pytest.mark.parametrize(
    ("values", "wanted", "found"),
    [
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)), pa.list_(pa.int32()), [[1, 2], [3, 4]]),
        (pa.array([[], None, [7]], pa.list_(pa.int64())), pa.list_(pa.int32()), [[], None, [7]]),
        (pa.array([[], []], pa.list_(pa.null())), pa.list_(pa.string()), [[], []]),
        (pa.array(['["a", null]', None, b"[]"], pa.binary()), pa.list_(pa.string()), [["a", None], None, []]),
        (pa.array(["[1, 2.0]"]), pa.list_(pa.string()), [["1", "2"]]),
        (pa.array([7, 12], pa.int16()), pa.string(), ["7", "12"]),
        (
            pa.array([7.0, 0.5, None, float("nan"), 1e20]),
            pa.string(),
            ["7", "0.5", None, None, "100000000000000000000"],
        ),
        (pa.array([Decimal("7.00"), Decimal("0.50")]), pa.string(), ["7", "0.5"]),
        (pa.array([0.1, 2, float("nan")], pa.float32()), pa.string(), ["0.1", "2", None]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), pa.string(), ["ab", "cd"]),
        (pa.nulls(2), pa.string(), [None, None]),
        (pa.array([1.0, float("nan")]), pa.int32(), [1, None]),
        (pa.array([-1, None]), pa.float32(), [-1.0, None]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["x", "y"]), pa.string(), ["x", "x", "y"]),
        (
            pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["a", "a", None])),
            pa.dictionary(pa.int32(), pa.string()),
            ["a", "a", None, None],
        ),
    ],
)
def test_one_column(values: pa.Array, wanted: pa.DataType, found: list[Any]) -> None:
    read = as_type(values, wanted)
    assert (read.type, read.to_pylist()) == (wanted, found)


def test_equal_entries_of_a_dictionary_have_one_code() -> None:
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", "a"]))
    assert as_type(twice, pa.dictionary(pa.int32(), pa.string())).indices.to_pylist() == [0, 0]


@pytest.mark.parametrize(
    ("values", "wanted", "message", "row"),
    [
        (pa.array([1.0, 2.5]), pa.int32(), "2.5 is not a whole number of 32 bits", 1),
        (pa.array([1, 1 << 40]), pa.int32(), "1099511627776 is not a whole number of 32 bits", 1),
        (pa.array([Decimal("1.50")]), pa.int32(), "1.50 is not a whole number of 32 bits", 0),
        (pa.array([1, 1 << 63], pa.uint64()), pa.int32(), "9223372036854775808 is not", 1),
        (pa.array([True]), pa.int32(), "bool is not int32", None),
        (pa.array(["1"]), pa.int32(), "string is not int32", None),
        (pa.array([True]), pa.string(), "bool is not string", None),
        (pa.array([float("inf")]), pa.string(), "inf is no answer", None),
        (pa.array([b"a", b"\xff"]), pa.string(), "b'\\xff' is not UTF-8 text", 1),
        (pa.array([[1], [], [2, 2.5]]), pa.list_(pa.int32()), "2.5 is not a whole number", 2),
        (pa.array(["[]", "{}"]), pa.list_(pa.string()), "'{}' is neither a list nor one in JSON", 1),
        (pa.array(["[" * 100_000]), pa.list_(pa.string()), "nested too deeply", 0),
        (pa.array(['["a", 1]']), pa.list_(pa.string()), "values of several types", None),
        (pa.array([{"a": 1}]), pa.list_(pa.string()), "struct<a: int64> is not list", None),
    ],
)
def test_what_does_not_mean_the_same_is_refused(
    values: pa.Array, wanted: pa.DataType, message: str, row: int | None
) -> None:
    with pytest.raises(ColumnError) as refused:
        as_type(values, wanted)
    assert message in str(refused.value)
    assert refused.value.row == row


def test_spark_writes_row_groups_legacy_lists_and_nullable_columns(tmp_path: Path) -> None:
    table = _priced()
    loose = pa.table(
        [as_type(table.column(name).combine_chunks(), pa.string()) if name in ("question", "gold_answer")
         else table.column(name) for name in table.column_names],
        names=table.column_names,
    ).replace_schema_metadata(table.schema.metadata)  # fmt: skip
    pq.write_table(
        loose, tmp_path / "spark.parquet", version="1.0", compression="snappy", use_compliant_nested_type=False,
        row_group_size=2, store_schema=False, data_page_version="1.0",
    )  # fmt: skip
    # Spark keeps no metadata of others.
    import_table([tmp_path / "spark.parquet"], tmp_path / "g.parquet", 10)
    assert content(Grid.load(tmp_path / "g.parquet")) == content(Grid.load(grids.write_priced(tmp_path)))


# ---- columns that a grid does not have ---------------------------------------------------------------------------


def test_an_index_is_left_out_and_other_columns_are_named(tmp_path: Path) -> None:
    table, path = _priced(), tmp_path / "g.parquet"
    pq.write_table(table.append_column("__index_level_0__", pa.array(range(7))), path)
    assert len(Grid.load(path).questions) == 2
    pq.write_table(table.append_column("index\x1b[31m", pa.array(range(7))), path)
    with pytest.raises(GridError, match=r"unknown column 'index\\u001b\[31m'; drop it"):
        Grid.load(path)
    said = {**table.schema.metadata, b"pandas": b'{"index_columns": ["row", {"kind": "range"}]}'}
    pq.write_table(table.append_column("row", pa.array(range(7))).replace_schema_metadata(said), path)
    assert len(Grid.load(path).questions) == 2
    for damaged in (b"[]", b"{", b'{"index_columns": 3}', b"[" * 100_000):
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"pandas": damaged}), path)
        assert len(Grid.load(path).questions) == 2


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    table = _priced()
    pq.write_table(table.append_column("tokens", table.column("tokens")), tmp_path / "g.parquet")
    with pytest.raises(GridError, match="column 'tokens' is there 2 times; keep one"):
        Grid.load(tmp_path / "g.parquet")


def test_optional_columns_without_a_value_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    table = pq.ParquetFile(grids.write_worked(tmp_path)).read()
    for name in ("probe_confidences", "probe_tokens", "text"):
        table = table.append_column(name, pa.nulls(len(table)))
    pq.write_table(table, tmp_path / "g.parquet")
    grid = Grid.load(tmp_path / "g.parquet")
    assert (grid.arrays.confidences, grid.arrays.probe_tokens) == (None, None)


# ---- what a terminal may see -------------------------------------------------------------------------------------


def test_values_and_arrows_words_are_made_printable(tmp_path: Path) -> None:
    table = _priced()
    evil = pa.array(["a\x1b]0;owned\x07", *["b\u202e"] * 6])
    at = table.column_names.index("gold_answer")
    pq.write_table(table.set_column(at, "gold_answer", evil), tmp_path / "g.parquet")
    with pytest.raises(GridError) as refused:
        Grid.load(tmp_path / "g.parquet")
    assert str(refused.value).isprintable()
    assert "\\u202e" in str(refused.value)


# ---- sizes -------------------------------------------------------------------------------------------------------


def _wide(rows: int, **changed: pa.Array) -> pa.Table:
    columns: dict[str, Any] = {
        "question_id": pa.array([0] * rows, pa.int32()),
        "question": pa.array(["q"] * rows),
        "gold_answer": pa.array(["1"] * rows),
        "branch": pa.array(range(rows), pa.int32()),
        "tokens": pa.array([5] * rows, pa.int32()),
        "final_answer": pa.array(["1"] * rows),
        "probe_answers": pa.array([[]] * rows, pa.list_(pa.string())),
    }
    return pa.table({**columns, **changed}).replace_schema_metadata({"autotts.format": "1", "autotts.interval": "10"})


def _repeated(rows: int, text: str) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))


def test_small_files_that_inflate_far_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "FREE", 4 << 20)
    long = "x" * (1 << 20)
    bombs = {
        "plain texts": _wide(9, text=pa.array([long + str(i) for i in range(9)])),
        "a dictionary": _wide(2000, final_answer=_repeated(2000, long[:9000])),
        "a dictionary in lists": _wide(
            2, probe_answers=pa.array([["x" * 9000] * 1000] * 2)
        ),
        "runs": _wide(1, probe_tokens=pa.array([[0] * 2_000_000], pa.list_(pa.int32()))),
    }  # fmt: skip
    for name, table in bombs.items():
        path = tmp_path / "bomb.parquet"
        pq.write_table(table, path, compression="zstd")
        with pytest.raises(
            GridError, match=r"inflates to more than \d+ MiB, the limit for a file of [\d,]+ bytes"
        ) as no:
            Grid.load(path)
        assert path.stat().st_size < 40_000, name
        assert str(no.value).startswith(str(path))


def test_a_long_question_of_many_branches_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "FREE", 4 << 20)
    pq.write_table(_wide(3000, question=_repeated(3000, "q" * 100_000)), tmp_path / "g.parquet")
    grid = Grid.load(tmp_path / "g.parquet")
    assert (len(grid.questions[0]), grid.branches.tolist()) == (100_000, [3000])


# ---- tables that do not say what they are ------------------------------------------------------------------------


def test_parts_in_any_order_without_metadata_become_a_grid(tmp_path: Path) -> None:
    table = _priced().replace_schema_metadata(None)
    folder = tmp_path / "spark.parquet"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    (folder / "_metadata.parquet").touch()
    mixed = table.take([6, 0, 3, 5, 1, 4, 2])
    pq.write_table(mixed.slice(0, 3), folder / "part-0.parquet")
    pq.write_table(mixed.slice(3), folder / "part-1.parquet")
    import_table([folder], tmp_path / "g.parquet", 10)
    assert content(Grid.load(tmp_path / "g.parquet")) == content(Grid.load(grids.write_priced(tmp_path)))
    with pytest.raises(GridError, match=r"metadata 'autotts.format' is None"):
        import_table([folder], tmp_path / "other.parquet", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GridError, match="holds no Parquet file"):
        import_table([tmp_path / "empty"], tmp_path / "other.parquet", 10)
    pq.write_table(table.slice(0, 3).drop_columns("probe_tokens"), folder / "part-2.parquet")
    with pytest.raises(GridError, match="the files have different columns"):
        import_table([folder], tmp_path / "other.parquet", 10)
    assert not (tmp_path / "other.parquet").exists()


@pytest.mark.parametrize("gold", ["ERR", "?", "", "No"])
def test_a_reference_answer_that_is_none_is_no_grids(tmp_path: Path, gold: str) -> None:
    table = _priced()
    place = table.schema.get_field_index("gold_answer")
    pq.write_table(table.set_column(place, "gold_answer", pa.array([gold] * table.num_rows)), tmp_path / "t.parquet")
    with pytest.raises(GridError, match=r"column 'gold_answer': .* marks the absence of an answer"):
        import_table([tmp_path / "t.parquet"], tmp_path / "g.parquet", None)
    assert not (tmp_path / "g.parquet").exists()
