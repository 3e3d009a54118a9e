"""What a replay grid's table must look like, and errors that name the row and the column.

A grid's file of record is Parquet with one row a branch. `SCHEMA` lists its columns; DESIGN rests on the rules checked
here: questions and branches are numbered without gaps, a question's text and gold answer do not change from row to
row, and every list of a branch's probes is as long as its answers.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FORMAT = b"autotts.format"
INTERVAL = b"autotts.interval"
PROVENANCE = b"autotts.provenance"
FORMAT_VERSION = b"1"

_NAMES = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        pa.field("question_id", pa.int32(), nullable=False),
        pa.field("question", _NAMES, nullable=False),
        pa.field("gold_answer", _NAMES, nullable=False),
        pa.field("branch", pa.int32(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("final_answer", pa.string(), nullable=False),
        pa.field("finish_reason", _NAMES),
        pa.field("probe_answers", pa.list_(pa.string()), nullable=False),
        pa.field("probe_confidences", pa.list_(pa.float32())),
        pa.field("probe_tokens", pa.list_(pa.int32())),
        pa.field("text", pa.string()),
    ]
)
"""All columns of a grid's table, in order; `OPTIONAL` names those that may be absent."""

OPTIONAL = ("finish_reason", "probe_confidences", "probe_tokens", "text")


class GridError(ValueError):
    """A replay grid breaks the format; the message names the file, the row and the column."""


def conform(table: pa.Table, name: str) -> pa.Table:
    """Return `table` with the columns of `SCHEMA` in their order and types, or raise `GridError`.

    Columns that a grid does not know are refused rather than dropped, so that a misspelt one is noticed.
    """
    unknown = [column for column in table.column_names if column not in SCHEMA.names]
    if unknown:
        raise GridError(f"{name}: unknown column {unknown[0]!r}; a grid has {', '.join(SCHEMA.names)}")
    columns = []
    for field in SCHEMA:
        if field.name not in table.column_names:
            if field.name in OPTIONAL:
                continue
            raise GridError(f"{name}: column {field.name!r} is missing; a grid needs every column but {OPTIONAL}")
        column = table.column(field.name)
        try:
            columns.append((field, column.cast(field.type)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise GridError(f"{name}: column {field.name!r}: {column.type} is not {field.type}: {error}") from None
    schema = pa.schema([field for field, _ in columns], metadata=table.schema.metadata)
    return pa.table([column.combine_chunks() for _, column in columns], schema=schema)


def check(table: pa.Table, name: str) -> None:
    """Raise `GridError` for the first rule that a conforming `table` breaks."""
    interval_of(table, name)
    if table.num_rows == 0:
        raise GridError(f"{name}: the grid has no rows; a grid holds at least one branch of one question")
    for field in table.schema:
        if not field.nullable:
            _refuse_first(pc.is_null(table.column(field.name)), name, field.name, "is null, and may not be")
    _check_numbering(table, name)
    tokens = table.column("tokens")
    _refuse_first(pc.less(tokens, 1), name, "tokens", "is below 1, the shortest branch there can be", tokens)
    answers = table.column("probe_answers")
    _refuse_nulls_inside(answers, name, "probe_answers")
    lengths = pc.list_value_length(answers)
    for column in ("probe_confidences", "probe_tokens"):
        if column in table.column_names:
            _check_probe_column(table, column, lengths, name)


def interval_of(table: pa.Table, name: str) -> int:
    """The grid's interval Δ in tokens, from the table's metadata."""
    metadata = table.schema.metadata or {}
    version = metadata.get(FORMAT)
    if version != FORMAT_VERSION:
        raise GridError(
            f"{name}: metadata {FORMAT.decode()!r} is {version!r}, and this version reads {FORMAT_VERSION!r}; "
            "make a grid with `autotts grid import` or `autotts grid collect`"
        )
    raw = metadata.get(INTERVAL, b"")
    if not raw.isdigit() or int(raw) < 1:
        raise GridError(f"{name}: metadata {INTERVAL.decode()!r} is {raw!r}, not a whole number of tokens from 1 up")
    return int(raw)


def _check_numbering(table: pa.Table, name: str) -> None:
    question_id = table.column("question_id").to_numpy()
    step = np.diff(question_id, prepend=np.int32(-1))
    step[0] = question_id[0] + 1
    _refuse_first((step < 0) | (step > 1), name, "question_id", "does not go on from the row before", question_id)
    first = np.flatnonzero(step)
    if first.size == 0 or first[0] != 0:
        raise GridError(f"{name}: row 0, column 'question_id': {question_id[0]} is not 0, where numbering starts")
    expected = np.arange(table.num_rows) - first[np.cumsum(step) - 1]
    branch = table.column("branch").to_numpy()
    _refuse_first(branch != expected, name, "branch", "breaks the numbering 0, 1, … of its question", branch)
    for column in ("question", "gold_answer"):
        codes = table.column(column).combine_chunks().indices.to_numpy(zero_copy_only=False)
        changed = codes != codes[first][np.cumsum(step) - 1]
        _refuse_first(changed, name, column, "differs from the question's first row", table.column(column))
    texts = table.column("question").combine_chunks().indices.to_numpy(zero_copy_only=False)[first]
    _, kept = np.unique(texts, return_index=True)
    twice = np.ones(len(texts), bool)
    twice[kept] = False
    if twice.any():
        row = int(first[int(np.flatnonzero(twice)[0])])
        raise GridError(
            f"{name}: row {row}, column 'question': the text of an earlier question; give each one question_id"
        )


def _check_probe_column(table: pa.Table, column: str, lengths: Any, name: str) -> None:
    values = table.column(column)
    differs = pc.not_equal(pc.list_value_length(values), lengths)
    _refuse_first(pc.fill_null(differs, True), name, column, "is not as long as probe_answers", values)
    _refuse_nulls_inside(values, name, column)
    flat = values.combine_chunks().flatten()
    bad = pc.invert(pc.is_finite(flat)) if column == "probe_confidences" else pc.less(flat, 0)
    if pc.any(bad).as_py():
        position = int(np.flatnonzero(bad.to_numpy(zero_copy_only=False))[0])
        row = int(np.searchsorted(np.cumsum(lengths.to_numpy()), position, side="right"))
        raise GridError(f"{name}: row {row}, column {column!r}: {flat[position]} is not a finite number from its range")


def _refuse_nulls_inside(column: pa.ChunkedArray, name: str, label: str) -> None:
    if column.combine_chunks().flatten().null_count:
        rows = [row for row, values in enumerate(column.to_pylist()) if values is not None and None in values]
        raise GridError(f"{name}: row {rows[0]}, column {label!r}: holds a null; write an answer that is none as 'ERR'")


def _refuse_first(wrong: Any, name: str, column: str, what: str, values: Any = None) -> None:
    """Raise `GridError` for the first true entry of `wrong`, a boolean array with one entry a row."""
    if not isinstance(wrong, np.ndarray):
        wrong = wrong.to_numpy()
    rows = np.flatnonzero(wrong.astype(bool))
    if rows.size:
        row = int(rows[0])
        value = (
            ""
            if values is None
            else f"{values[row]} "
            if isinstance(values, np.ndarray)
            else f"{values[row].as_py()!r} "
        )
        raise GridError(f"{name}: row {row}, column {column!r}: {value}{what}")
