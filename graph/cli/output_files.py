"""Check of output files before any episode is played, so that no results are lost at the end."""

import tempfile
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq


def check_out(path: Path | None, schema: pa.Schema, option: str = "--out") -> None:
    """Check that a table can be written to a file.

    Args:
        path: The file; None: nothing to check.
        schema: Columns of the table; an existing file of the same columns may be overwritten.
        option: Flag that named the file, for the error.

    Raises:
        click.UsageError: the file cannot be written, or it exists and is not a table of the same columns.
    """
    if path is None:
        return
    if (path.exists() or path.is_symlink()) and not (path.is_file() and _has_columns(path, schema)):
        raise click.UsageError(
            f"{option} {path} is there already and is not such a table as this command writes; "
            "it is left as it is: give another path"
        )
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise click.UsageError(f"{option} {path} cannot be written: {error.strerror} ({folder})") from None


def _has_columns(path: Path, schema: pa.Schema) -> bool:
    try:
        with path.open("rb") as stream:
            return bool(pq.read_schema(stream).names == schema.names)
    except (pa.ArrowException, OSError):
        return False
