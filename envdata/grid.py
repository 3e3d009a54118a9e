"""Replay grids: recorded branches of a model on a set of questions, as arrays that the replay engine reads.

The file of record is Parquet (`envdata.grid_schema.SCHEMA`). Loading it builds the arrays and keeps them as an Arrow
file in the user's cache, named by the content's hash; later loads map that file into memory and copy nothing.

Answers are numbered per question from 0, in an order without meaning. For each branch `answer_codes` holds the codes of
its answers after 1, 2, … intervals, and then the code of its final answer: with L recorded intervals, depths 1 … L are
probes and depth L + 1 is the finished branch.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envdata import grid_cache, grid_schema, parquet
from envdata.answers import UNPARSED
from envdata.atomic import replacing
from envdata.grid_arrays import GridArrays, from_table
from envdata.grid_names import grid_file, no_such_grid
from envdata.grid_schema import GridError
from envdata.json_text import parse
from envdata.plain_text import whole
from envdata.printable import escaped, first_line

__all__ = ["BranchRow", "Grid", "GridError"]


@dataclass(frozen=True)
class BranchRow:
    """One recorded branch: a row of a grid's table."""

    question_id: int
    """Index of the question, from 0; the rows of a grid go through the questions in order."""
    question: str
    gold_answer: str
    branch: int
    """Index of the branch within its question, from 0."""
    tokens: int
    """Length of the whole branch, in tokens."""
    final_answer: str
    probe_answers: list[str]
    """L answers; entry k is the model's answer after k + 1 intervals."""
    finish_reason: str | None = None
    """"stop" or "length", as the engine reported it."""
    probe_confidences: list[float | None] | None = None
    """Mean log-probability of each probed answer's tokens; None where it is unknown."""
    probe_tokens: list[int] | None = None
    """Cost of each probe, in tokens decoded."""
    probe_prefill: list[int] | None = None
    """Prompt tokens that each probe had to read anew, those that no prefix cache held."""
    text: str | None = None
    """The whole trace."""
    signals: Mapping[str, Sequence[float | None]] | None = None
    """Further signals by name: L or L + 1 numbers, entry k beside step k + 1 of the branch; None where unknown."""


@dataclass(frozen=True)
class Grid:
    """A loaded replay grid; its arrays are read-only and shared."""

    name: str
    """The path or the name that it was loaded by; U+FFFD stands for bytes of a path that are not UTF-8."""
    content_hash: str
    """SHA-256 of the Parquet file, in hexadecimal."""
    interval: int
    """Δ, in tokens."""
    provenance: Mapping[str, Any]
    """Where the grid comes from: any JSON object."""
    arrays: GridArrays
    """Answer codes by branch and depth, lengths and reference answers as NumPy arrays (`envdata.grid_arrays`)."""

    @classmethod
    def load(cls, path: Path | str) -> "Grid":
        """Load the grid at `path`, or of that name (`envdata.grid_names`).

        Raises:
            GridError: The file is absent, unreadable or breaks the format.
        """
        file = grid_file(path)
        if file.is_fifo() or file.is_char_device():
            raise no_such_grid(path, "a pipe or a device, and no file")
        try:
            with file.open("rb") as stream:
                content_hash = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise no_such_grid(path, error.strerror) from None
        arrays = grid_cache.load(content_hash)
        if arrays is None:
            table = read_table(file)
            arrays = from_table(table, grid_schema.interval_of(table, str(path)), _provenance(table, str(path)))
            arrays = grid_cache.store(arrays, content_hash)
        return cls(whole(str(path)), content_hash, arrays.interval, json.loads(arrays.provenance), arrays)

    @property
    def questions(self) -> list[str]:
        """Texts of the Q questions."""
        return self.arrays.questions

    @property
    def gold_answers(self) -> list[str]:
        """Reference answers of the Q questions."""
        return self.arrays.gold_answers

    @property
    def probed(self) -> bool:
        """Whether its branches can be probed: a grid that was collected without probes has final answers alone.

        Where each of its branches is one interval nothing is left to probe, and every controller runs.
        """
        return self.provenance.get("probes") is not False or not self.arrays.intervals.any()

    @property
    def branches(self) -> npt.NDArray[np.int64]:
        """Number of branches of each question, shape (Q,)."""
        return np.diff(self.arrays.first_branch)

    @cached_property
    def parsed(self) -> npt.NDArray[np.bool_]:
        """Whether each distinct answer is an answer (`envdata.answers.is_parsed`), shape (U,) as `answer_texts`."""
        texts = self.arrays.answer_texts
        marks = pa.array(sorted(UNPARSED), texts.type)
        parsed: npt.NDArray[np.bool_] = ~pc.is_in(texts, value_set=marks).to_numpy(zero_copy_only=False)
        return parsed


def read_table(path: Path) -> pa.Table:
    """Return the checked table of a grid's Parquet file. Raises GridError."""
    try:
        table = parquet.read(path, repeated=grid_schema.REPEATED)
    except (parquet.ParquetError, OSError) as error:
        raise GridError(f"{path}: {error}") from None
    table = grid_schema.conform(table, str(path))
    grid_schema.check(table, str(path))
    return table


def write_grid(
    path: Path, rows: Iterable[BranchRow], interval: int, provenance: Mapping[str, Any], *, name: str | None = None
) -> None:
    """Check rows and write them as a grid.

    Args:
        path: The file to write.
        rows: The branches, in the order of the grid. Columns that are None in every row are left out.
        interval: Δ, in tokens.
        provenance: Where the grid comes from: any JSON object.
        name: The name of the grid in error messages; by default the path.

    Raises:
        GridError: The rows break the format; nothing is written then.
        OSError: The file cannot be written.
    """
    label = name or str(path)
    records = [asdict(row) for row in rows]
    signals = sorted({signal for record in records for signal in record["signals"] or ()})
    grid_schema.check_signal_names(signals, label)
    for record in records:
        record |= {grid_schema.SIGNAL + signal: (record["signals"] or {}).get(signal) for signal in signals}
    used = [
        field
        for field in (*grid_schema.SCHEMA, *map(grid_schema.signal_field, signals))
        if not field.nullable or any(record[field.name] is not None for record in records)
    ]
    try:
        metadata = {
            grid_schema.FORMAT: grid_schema.FORMAT_VERSION,
            grid_schema.INTERVAL: str(interval).encode(),
            grid_schema.PROVENANCE: json.dumps(dict(provenance), sort_keys=True, ensure_ascii=False).encode(),
        }
        columns = [pa.array([record[field.name] for record in records], field.type) for field in used]
    except UnicodeEncodeError as error:
        half = escaped(error.object[error.start])
        raise GridError(f"{label}: a text holds {half}, half of a surrogate pair, which is no character") from None
    except (pa.ArrowException, OverflowError) as error:
        raise GridError(f"{label}: a row does not fit the format: {first_line(error)}") from None
    table = pa.table(columns, schema=pa.schema(used, metadata=metadata))
    grid_schema.check(table, label)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd", compression_level=19)


def _provenance(table: pa.Table, name: str) -> str:
    """Return the provenance in a table's metadata, as JSON. Raises GridError if it is not an object."""
    raw = (table.schema.metadata or {}).get(grid_schema.PROVENANCE, b"{}")
    try:
        parsed = parse(raw)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise GridError(f"{name}: metadata {grid_schema.PROVENANCE.decode()!r} is {raw[:60]!r}, not a JSON object")
    return json.dumps(parsed)
