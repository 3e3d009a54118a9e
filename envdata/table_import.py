"""Import of grids from tables that lack a grid's metadata or order.

A grid's Parquet file says in its metadata that it is a grid, and how long its interval is. pandas, Spark and others
drop such metadata when they write a table anew, and Spark and DuckDB write rows in any order.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envdata import grid_schema, parquet
from envdata.answers import is_parsed
from envdata.atomic import replacing
from envdata.grid_schema import GridError

ORDER = [("question_id", "ascending"), ("branch", "ascending")]
"""Sort keys of a grid's rows."""


def import_table(sources: Sequence[Path], target: Path, interval: int | None) -> pa.Table:
    """Write the grid that tables with a grid's columns hold, with its rows in order.

    Args:
        sources: Parquet files, or folders of which all Parquet files are read.
        target: The file to write.
        interval: Δ, in tokens; None takes the value in the metadata of the first file.

    Returns:
        The grid's table.

    Raises:
        GridError: A source cannot be read, or the rows break the format.
    """
    files = [file for source in sources for file in _files(source)]
    label = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    tables = [_read(file) for file in files]
    if interval is None:
        interval = grid_schema.interval_of(tables[0], str(files[0]))
    provenance = (tables[0].schema.metadata or {}).get(grid_schema.PROVENANCE, b'{"source": "a table"}')
    parts = [grid_schema.conform(table, str(file)) for table, file in zip(tables, files, strict=True)]
    try:
        # Rows are sorted before they are checked: error messages name a row by its place in the grid.
        whole = pa.concat_tables(part.replace_schema_metadata(None) for part in parts).sort_by(ORDER).combine_chunks()
    except pa.ArrowException:
        raise GridError(f"{label}: the files have different columns; a grid's rows all have the same") from None
    metadata: dict[Any, Any] = {
        grid_schema.FORMAT: grid_schema.FORMAT_VERSION,
        grid_schema.INTERVAL: str(interval).encode(),
        grid_schema.PROVENANCE: provenance,
    }
    whole = whole.replace_schema_metadata(metadata)
    grid_schema.check(whole, f"{label}, rows in order")
    unread = [gold for gold in pc.unique(whole.column("gold_answer")).to_pylist() if not is_parsed(gold.strip())]
    if unread:
        raise GridError(
            f"{label}: column 'gold_answer': {unread[0]!r} marks the absence of an answer, never right; correct it"
        )
    with replacing(target) as temporary, temporary.open("wb") as stream:
        pq.write_table(whole, stream, compression="zstd", compression_level=19)
    return whole


def _files(source: Path) -> list[Path]:
    """Return the Parquet files of a source. Raises GridError for a folder without any."""
    if not source.is_dir():
        return [source]
    # Spark writes markers and checksums beside its parts; all of their names begin with _ or a point.
    found = sorted(file for file in source.rglob("*.parquet") if not file.name.startswith(("_", ".")))
    if not found:
        raise GridError(f"{source}: holds no Parquet file; give a table, or a folder of its parts")
    return found


def _read(file: Path) -> pa.Table:
    """Read one table. Raises GridError."""
    try:
        return parquet.read(file, repeated=grid_schema.REPEATED)
    except OSError as error:
        raise GridError(
            f"{file}: cannot be read ({error.strerror}); give a Parquet file, or a folder of them"
        ) from None
    except parquet.ParquetError as error:
        raise GridError(f"{file}: {error}") from None
