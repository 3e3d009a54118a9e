"""The table of a replay grid: its columns, its rules, and errors that name the row and the column.

A grid's file of record is Parquet with one row for each branch. `SCHEMA` lists its columns. The rules: questions and
branches are numbered without gaps, a question's text and gold answer are the same in all its rows, and every list of a
branch's probes is as long as its answers.

A grid may carry signals: columns `signal_<name>` with a number beside each interval of a branch, such as a verifier's
score. Entry k belongs to the branch's step k + 1; the branch's last step, which ends it, may have an entry too.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.errors import UserError
from envdata.json_text import parse
from envdata.printable import escaped, first_line
from envdata.table_columns import ColumnError, as_type

FORMAT = b"autotts.format"
"""Key of the metadata entry for the version of the format."""
INTERVAL = b"autotts.interval"
"""Key of the metadata entry for Δ, in tokens."""
PROVENANCE = b"autotts.provenance"
"""Key of the metadata entry for the provenance, a JSON object."""
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
        pa.field("probe_prefill", pa.list_(pa.int32())),
        pa.field("text", pa.string()),
    ]
)
"""Columns of a grid's table, in order; `OPTIONAL` names those that may be absent. Signals follow them."""

OPTIONAL = ("finish_reason", "probe_confidences", "probe_tokens", "probe_prefill", "text")
SIGNAL = "signal_"
"""Beginning of the name of a signal's column."""
PROBE_CONFIDENCE = "probe_confidence"
"""The signal that the column `probe_confidences` holds; unlike others, it belongs to probes."""
MAX_SIGNALS = 16
"""Largest number of signals beside the probes' confidences."""
REPEATED = tuple(field.name for field in SCHEMA if pa.types.is_dictionary(field.type))
"""Columns whose texts are the same in many rows."""

_SIGNAL_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


class GridError(UserError, ValueError):
    """A replay grid breaks the format; the message names the file, the row and the column."""


def conform(table: pa.Table, name: str) -> pa.Table:
    """Return a table with the columns of `SCHEMA`, in their order and types.

    Columns may have any type of equal meaning (`envdata.table_columns`); optional columns that are null throughout are
    left out. Unknown columns are refused rather than dropped, so that a misspelt one is noticed; the index that pandas
    and fastparquet write beside the columns is dropped.

    Args:
        table: A table as it was read.
        name: The file's name, for error messages.

    Raises:
        GridError: A column is missing, unknown, repeated or of another type.
    """
    names = table.column_names
    twice = [column for column in names if names.count(column) > 1]
    if twice:
        raise GridError(f"{name}: column {_shown(twice[0])} is there {names.count(twice[0])} times; keep one")
    index = _index_columns(table)
    signals = [column.removeprefix(SIGNAL) for column in names if column.startswith(SIGNAL)]
    unknown = [column for column in names if column not in SCHEMA.names and column not in index]
    unknown = [column for column in unknown if not column.startswith(SIGNAL)]
    if unknown:
        raise GridError(
            f"{name}: unknown column {_shown(unknown[0])}; drop it: a grid has {', '.join(SCHEMA.names)}, and "
            f"{SIGNAL}<name> for each of its signals"
        )
    check_signal_names(signals, name)
    columns = []
    for field in (*SCHEMA, *map(signal_field, sorted(signals))):
        optional = field.nullable
        if field.name not in names:
            if optional:
                continue
            raise GridError(f"{name}: column {field.name!r} is missing; a grid needs every column but {OPTIONAL}")
        column = table.column(field.name)
        if optional and len(column) and column.null_count == len(column):
            continue
        try:
            columns.append((field, as_type(column.combine_chunks(), field.type)))
        except ColumnError as error:
            row = "" if error.row is None else f"row {error.row}, "
            raise GridError(f"{name}: {row}column {field.name!r}: {escaped(str(error))}") from None
        except pa.ArrowException as error:
            raise GridError(f"{name}: column {field.name!r}: {first_line(error)}") from None
    schema = pa.schema([field for field, _ in columns], metadata=table.schema.metadata)
    return pa.table([column for _, column in columns], schema=schema)


def signal_field(name: str) -> pa.Field:
    """Return the column of a signal."""
    return pa.field(SIGNAL + name, pa.list_(pa.float32()))


def check_signal_names(signals: Sequence[str], name: str) -> None:
    """Raise GridError for names that no signal may have, or for too many signals; `name` is the file's."""
    if len(signals) > MAX_SIGNALS:
        raise GridError(f"{name}: has {len(signals)} signals; a grid has {MAX_SIGNALS} at most")
    for signal in signals:
        if not _SIGNAL_NAME.fullmatch(signal):
            raise GridError(
                f"{name}: column {_shown(SIGNAL + signal)}: a signal's name has up to 40 small letters, digits and "
                "underscores, and begins with a letter; rename the column"
            )
        if signal == PROBE_CONFIDENCE:
            raise GridError(
                f"{name}: column {SIGNAL + signal!r}: this signal is the column 'probe_confidences'; rename the column"
            )


def _index_columns(table: pa.Table) -> set[str]:
    """Return the columns that are an index of pandas, by their name or by pandas' metadata."""
    metadata = (table.schema.metadata or {}).get(b"pandas", b"{}")
    try:
        listed = parse(metadata)["index_columns"]
    except (ValueError, KeyError, TypeError):
        listed = []
    named = {column for column in listed if isinstance(column, str)} if isinstance(listed, list) else set()
    return named | {column for column in table.column_names if _UNNAMED_INDEX.fullmatch(column)}


def _shown(text: str) -> str:
    """Return a text in quotes, escaped and cut to 80 characters."""
    return f"'{escaped(text)}'" if len(text) <= 80 else f"'{escaped(text[:80])}…'"


def check(table: pa.Table, name: str) -> None:
    """Raise GridError for the first rule that a table breaks.

    Args:
        table: A table as `conform` returns it.
        name: The file's name, for error messages.
    """
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
    for column in ("probe_confidences", "probe_tokens", "probe_prefill"):
        if column in table.column_names:
            _check_probe_column(table, column, lengths, name)
    for column in table.column_names:
        if column.startswith(SIGNAL):
            _check_signal_column(table, column, lengths, name)


def interval_of(table: pa.Table, name: str) -> int:
    """Return Δ in tokens, from a table's metadata. Raises GridError, with `name` for the file."""
    metadata = table.schema.metadata or {}
    version = metadata.get(FORMAT)
    if version != FORMAT_VERSION:
        raise GridError(
            f"{name}: metadata {FORMAT.decode()!r} is {version!r:.60}, and this version reads {FORMAT_VERSION!r}; "
            "make a grid with `autotts grid import table` or `autotts grid collect`"
        )
    raw = metadata.get(INTERVAL, b"")
    if not raw.isdigit() or int(raw) < 1:
        raise GridError(
            f"{name}: metadata {INTERVAL.decode()!r} is {raw!r:.60}, not a whole number of tokens from 1 up"
        )
    return int(raw)


def _check_numbering(table: pa.Table, name: str) -> None:
    """Raise GridError unless questions and branches are numbered without gaps and questions are distinct."""
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
    """Raise GridError unless a column of probes has a valid value for each probe."""
    values = table.column(column)
    differs = pc.not_equal(pc.list_value_length(values), lengths)
    _refuse_first(pc.fill_null(differs, True), name, column, "is not as long as probe_answers", values)
    if column != "probe_confidences":
        _refuse_nulls_inside(values, name, column)
    flat = values.combine_chunks().flatten()
    # Servers send null, NaN or −∞ where they have no log-probability; all are read as missing.
    bad = pc.equal(flat, np.inf) if column == "probe_confidences" else pc.less(flat, 0)
    if pc.any(bad).as_py():
        position = int(np.flatnonzero(pc.fill_null(bad, False).to_numpy(zero_copy_only=False))[0])
        row = int(np.searchsorted(np.cumsum(lengths.to_numpy()), position, side="right"))
        raise GridError(f"{name}: row {row}, column {column!r}: {flat[position]} is not a finite number from its range")


def _check_signal_column(table: pa.Table, column: str, probes: Any, name: str) -> None:
    """Raise GridError unless a signal has an entry for each interval of a branch, with or without the last step."""
    values = table.column(column)
    given = pc.list_value_length(values)
    fits = pc.or_(pc.equal(given, probes), pc.equal(given, pc.add(probes, 1)))
    # A branch without a list has no value of the signal at all.
    what = "has neither one entry for each of probe_answers nor one more, for the last step"
    _refuse_first(pc.invert(pc.fill_null(fits, True)), name, column, what, values)


def _refuse_nulls_inside(column: pa.ChunkedArray, name: str, label: str) -> None:
    """Raise GridError if a list of the column holds a null."""
    if column.combine_chunks().flatten().null_count:
        rows = [row for row, values in enumerate(column.to_pylist()) if values is not None and None in values]
        advice = "; write an answer that is none as 'ERR'" if label == "probe_answers" else ""
        raise GridError(f"{name}: row {rows[0]}, column {label!r}: holds a null{advice}")


def _refuse_first(wrong: Any, name: str, column: str, what: str, values: Any = None) -> None:
    """Raise GridError for the first true entry of `wrong`, a boolean array with one entry a row."""
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
            else f"{_shown_value(values[row].as_py())} "
        )
        raise GridError(f"{name}: row {row}, column {column!r}: {value}{what}")


def _shown_value(value: object) -> str:
    return _shown(value) if isinstance(value, str) else f"{value!r:.80}"
