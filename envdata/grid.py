"""Replay grids: recorded branches of a model on a set of questions, as arrays that the replay engine reads.

The file of record is Parquet (`envdata.gridcheck.SCHEMA`). Reading one builds the arrays below and keeps them as an
Arrow file in the user's cache, named by the content's hash; later loads map that file into memory and copy nothing.

Answers are numbered per question, from 0, in no order that means anything. `answer_codes` holds, for each
branch, the code of what it answers after 1, 2, … intervals and then the code of its final answer: with L recorded
intervals, depths 1..L are probes and depth L+1 is the finished branch.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from envdata import gridcheck
from envdata.atomic import replacing
from envdata.gridarrays import GridArrays, from_table
from envdata.gridcheck import GridError

CACHE_VERSION = 1

__all__ = ["BranchRow", "Grid", "GridError", "cache_folder"]


@dataclass(frozen=True)
class BranchRow:
    """One recorded branch, as it stands in a grid's table."""

    question_id: int
    """0-based number of the question; rows of a grid go through the questions in order."""
    question: str
    gold_answer: str
    branch: int
    """0-based number of the branch within its question."""
    tokens: int
    """The branch's whole length, in tokens."""
    final_answer: str
    probe_answers: list[str]
    """L answers; entry k is what the model answers after k + 1 intervals."""
    finish_reason: str | None = None
    probe_confidences: list[float] | None = None
    """Mean log-probability of each probed answer's tokens."""
    probe_tokens: list[int] | None = None
    """What each probe cost, in tokens."""
    text: str | None = None


@dataclass(frozen=True)
class Grid:
    """A loaded replay grid; arrays are read-only and shared."""

    name: str
    """The path as it was given, or a name."""
    content_hash: str
    """SHA-256 of the Parquet file, in hexadecimal."""
    interval: int
    """Δ, in tokens."""
    provenance: Mapping[str, Any]
    arrays: GridArrays

    @classmethod
    def load(cls, path: Path | str) -> "Grid":
        """Read, check and map the grid at `path`.

        Raises GridError for a file that is absent, unreadable or breaks the format.
        """
        file = Path(path)
        try:
            with file.open("rb") as stream:
                content_hash = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise GridError(
                f"{path}: cannot be read ({error.strerror}); give the path of a grid's Parquet file"
            ) from None
        cached = cache_folder() / f"{content_hash}-v{CACHE_VERSION}.arrow"
        arrays = _map(cached)
        if arrays is None:
            table = read_table(file)
            arrays = from_table(table, gridcheck.interval_of(table, str(path)), _provenance(table, str(path)))
            arrays = _keep(arrays, cached)
        return cls(str(path), content_hash, arrays.interval, json.loads(arrays.provenance), arrays)

    @property
    def questions(self) -> list[str]:
        """The texts of the Q questions."""
        return self.arrays.questions

    @property
    def gold_answers(self) -> list[str]:
        """The reference answers of the Q questions."""
        return self.arrays.gold_answers

    @property
    def branches(self) -> npt.NDArray[np.int64]:
        """How many branches each question has, shape (Q,)."""
        return np.diff(self.arrays.first_branch)


def read_table(path: Path) -> pa.Table:
    """Read a grid's Parquet file as a checked table; raises GridError."""
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        raise GridError(f"{path}: is not a readable Parquet file ({first_line})") from None
    table = gridcheck.conform(table, str(path))
    gridcheck.check(table, str(path))
    return table


def write_grid(
    path: Path, rows: Iterable[BranchRow], interval: int, provenance: Mapping[str, Any], *, name: str | None = None
) -> None:
    """Check `rows` and write them to `path` as a whole.

    Columns that are None in every row are left out. `provenance` is any JSON object; it says where the grid comes from.
    Raises GridError if the rows break the format; nothing is written then.
    """
    records = [asdict(row) for row in rows]
    used = [
        field
        for field in gridcheck.SCHEMA
        if field.name not in gridcheck.OPTIONAL or any(record[field.name] is not None for record in records)
    ]
    metadata = {
        gridcheck.FORMAT: gridcheck.FORMAT_VERSION,
        gridcheck.INTERVAL: str(interval).encode(),
        gridcheck.PROVENANCE: json.dumps(dict(provenance), sort_keys=True, ensure_ascii=False).encode(),
    }
    label = name or str(path)
    try:
        columns = [pa.array([record[field.name] for record in records], field.type) for field in used]
    except (pa.ArrowException, OverflowError) as error:
        raise GridError(f"{label}: a row does not fit the format: {error}") from None
    table = pa.table(columns, schema=pa.schema(used, metadata=metadata))
    gridcheck.check(table, label)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", compression_level=19)


def cache_folder() -> Path:
    """Where mapped grids are kept: `$AUTOTTS_CACHE`, else `$XDG_CACHE_HOME/autotts`, else `~/.cache/autotts`."""
    named = os.environ.get("AUTOTTS_CACHE")
    if named:
        return Path(named) / "grids"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "autotts" / "grids"


def _provenance(table: pa.Table, name: str) -> str:
    raw = (table.schema.metadata or {}).get(gridcheck.PROVENANCE, b"{}")
    try:
        parsed = json.loads(raw.decode())
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise GridError(f"{name}: metadata {gridcheck.PROVENANCE.decode()!r} is {raw[:60]!r}, not a JSON object")
    return json.dumps(parsed)


def _map(cached: Path) -> GridArrays | None:
    try:
        with pa.memory_map(str(cached)) as source, pa.ipc.open_file(source) as reader:
            return GridArrays.from_batch(reader.get_batch(0))
    except (OSError, pa.ArrowException, KeyError):
        # Absent, or left by another version: it is built again from the file of record.
        return None


def _keep(arrays: GridArrays, cached: Path) -> GridArrays:
    batch = arrays.to_batch()
    try:
        with replacing(cached) as temporary, pa.ipc.new_file(str(temporary), batch.schema) as writer:
            writer.write_batch(batch)
    except OSError:
        # A cache that cannot be written (a read-only home, a full disk) costs time, never the run.
        return arrays
    return _map(cached) or arrays
