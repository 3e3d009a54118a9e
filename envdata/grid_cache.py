"""Cache of mapped grids: the arrays of a grid as an Arrow file that loads without copying.

A cached file begins with a header of 64 bytes that holds the SHA-256 of the rest; the rest is an Arrow file with one
record batch. A file that is cut short, or in which a bit has changed, is built again from the grid's Parquet file.
"""

import hashlib
from pathlib import Path

import pyarrow as pa

from envdata.atomic import replacing
from envdata.cache import cache_folder
from envdata.grid_arrays import GridArrays

VERSION = 2
"""Version of the cached form, a part of the file's name."""
_MAGIC = b"autotts-mapped-grid\n"
_HEADER = 64
"""Bytes before the Arrow file: a multiple of its alignment."""


def load(content_hash: str) -> GridArrays | None:
    """Return the cached arrays of a grid, or None if they are absent or damaged.

    Args:
        content_hash: SHA-256 of the grid's Parquet file, in hexadecimal.
    """
    try:
        with pa.memory_map(str(_file(content_hash))) as source:
            whole = source.read_buffer()
        content = whole.slice(_HEADER)
        if whole.slice(0, _HEADER).to_pybytes() != _header(content):
            return None
        with pa.ipc.open_file(content) as reader:
            return GridArrays.from_batch(reader.get_batch(0))
    except (OSError, pa.ArrowException, KeyError, ValueError, IndexError):
        # Absent, cut short, or left by another version.
        return None


def store(arrays: GridArrays, content_hash: str) -> GridArrays:
    """Write the arrays of a grid to the cache and return them, mapped from the file.

    Args:
        arrays: The arrays to write.
        content_hash: SHA-256 of the grid's Parquet file, in hexadecimal.

    Returns:
        The mapped arrays, or `arrays` itself where no file can be written.
    """
    batch = arrays.to_batch()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content = sink.getvalue()
    try:
        with replacing(_file(content_hash)) as temporary, temporary.open("wb") as stream:
            stream.write(_header(content))
            stream.write(content)
    except OSError:
        # Without a writable cache (a read-only home, a full disk) loading takes longer; the run goes on.
        return arrays
    return load(content_hash) or arrays


def _file(content_hash: str) -> Path:
    return cache_folder("grids") / f"{content_hash}-v{VERSION}.arrow"


def _header(content: pa.Buffer) -> bytes:
    return (_MAGIC + hashlib.sha256(content).digest()).ljust(_HEADER, b"\0")
