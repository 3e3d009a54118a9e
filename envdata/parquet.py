"""Parquet files of any tool, read within bounds of memory.

The footer of a file states its sizes after decompression, which are checked before anything is read. They do not state
how often the codes of a dictionary repeat a long text; so texts are read as dictionaries, and their size written out is
measured batch by batch before they are written out.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envdata import decompression
from envdata.printable import first_line

ROWS_AT_ONCE = 4096
"""Rows of a batch."""
ROWS_WRITTEN_OUT = 64
"""Rows of a batch where texts cannot be read as dictionaries, and a batch is measured only after it was read."""
BYTES_A_VALUE = 8
"""Bytes of memory that are assumed for a value: in a file, runs of equal values take no space."""


class ParquetError(ValueError):
    """A file cannot be read; the message says why, without the file's name."""


def read(path: Path, repeated: Collection[str] = ()) -> pa.Table:
    """Return a whole table, with the metadata of the file itself.

    Args:
        path: The Parquet file.
        repeated: Names of columns whose texts are the same in many rows; they are read as dictionaries.

    Raises:
        ParquetError: The file is not readable Parquet, or inflates beyond its limit.
    """
    file = _opened(path)
    pieces = list(_batches(file, path, repeated))
    own = {**(file.schema_arrow.metadata or {}), **(file.metadata.metadata or {})}
    own.pop(b"ARROW:schema", None)
    return pa.Table.from_batches(pieces, _schema(file, repeated)).replace_schema_metadata(own)


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the table in batches. Raises ParquetError."""
    yield from _batches(_opened(path), path, ())


def _opened(path: Path) -> pq.ParquetFile:
    """Return an open file whose sizes are within the limit. Raises ParquetError."""
    try:
        file = pq.ParquetFile(path)
        _check_size(file.metadata, path)
    except (OSError, pa.ArrowException) as error:
        raise ParquetError(f"is not a readable Parquet file ({first_line(error)})") from None
    return file


def _check_size(metadata: pq.FileMetaData, path: Path) -> None:
    """Raise ParquetError if the sizes in the footer are beyond the limit."""
    size = path.stat().st_size
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    stored = sum(max(0, chunk.total_uncompressed_size) for chunk in chunks)
    values = sum(max(0, chunk.num_values) for chunk in chunks)
    if max(stored, values * BYTES_A_VALUE) > decompression.inflation_limit(size):
        raise ParquetError(decompression.limit_exceeded(size))


def _batches(file: pq.ParquetFile, path: Path, repeated: Collection[str]) -> Iterator[pa.RecordBatch]:
    """Yield checked batches with the types of `_schema`. Raises ParquetError."""
    schema = _schema(file, repeated)
    size = path.stat().st_size
    left = decompression.inflation_limit(size)
    try:
        for batch in _as_dictionaries(file, path):
            columns = []
            for field, column in zip(schema, batch.columns, strict=True):
                kept = field.name in repeated
                left -= column.nbytes - _dictionary_bytes(column) + (0 if kept else _text_bytes(column))
                if left < 0:
                    raise ParquetError(decompression.limit_exceeded(size))
                columns.append(_as(column if kept else _written_out(column), field.type))
            whole = pa.RecordBatch.from_arrays(columns, schema=schema)
            whole.validate(full=True)
            yield whole
    except (OSError, pa.ArrowException) as error:
        raise ParquetError(f"is not a readable Parquet file ({first_line(error)})") from None


def _schema(file: pq.ParquetFile, repeated: Collection[str]) -> pa.Schema:
    """Return the types of columns after reading: the file's, with dictionaries for `repeated` texts only."""
    kinds = [(field.name, _plain(field.type)) for field in file.schema_arrow]
    return pa.schema(
        (name, pa.dictionary(pa.int32(), kind) if name in repeated and _is_text(kind) else kind) for name, kind in kinds
    )


def _as_dictionaries(file: pq.ParquetFile, path: Path) -> Iterator[pa.RecordBatch]:
    """Yield batches whose texts are dictionaries, wherever Arrow can read them so."""
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    delta = {
        chunk.path_in_schema
        for group in groups
        for chunk in (group.column(i) for i in range(group.num_columns))
        if any("DELTA" in encoding for encoding in chunk.encodings)
    }
    columns = [file.schema.column(i) for i in range(len(file.schema))]
    texts = [each.path for each in columns if each.physical_type == "BYTE_ARRAY" and each.path not in delta]
    coded = pq.ParquetFile(path, read_dictionary=texts)
    for group in range(len(groups)):
        done = 0
        try:
            for batch in coded.iter_batches(ROWS_AT_ONCE, row_groups=[group]):
                yield batch
                done += batch.num_rows
        except pa.ArrowNotImplementedError:
            # Arrow cannot read lists of texts of which only a part is coded.
            for batch in file.iter_batches(ROWS_WRITTEN_OUT, row_groups=[group]):
                if batch.num_rows > done:
                    yield batch.slice(done)
                done = max(0, done - batch.num_rows)


def _dictionary_bytes(values: pa.Array) -> int:
    """Return the size of the dictionaries in an array; batches share them, and the footer counts them."""
    if pa.types.is_dictionary(values.type):
        return int(values.dictionary.nbytes)
    return _dictionary_bytes(values.values) if _is_list(values.type) else 0


def _text_bytes(values: pa.Array) -> int:
    """Return the size of the texts that the codes of dictionaries stand for."""
    if pa.types.is_dictionary(values.type) and _is_text(values.type.value_type):
        lengths = pc.binary_length(values.dictionary).cast(pa.int64())
        return int(pc.sum(lengths.take(values.indices)).as_py() or 0)
    return _text_bytes(values.flatten()) if _is_list(values.type) else 0


def _written_out(values: pa.Array) -> pa.Array:
    """Return an array with texts in place of dictionaries."""
    if pa.types.is_dictionary(values.type):
        return values.dictionary_decode()
    if _is_list(values.type) and pa.types.is_dictionary(values.type.value_type):
        lengths = pc.fill_null(pc.list_value_length(values), 0)
        ends = pc.cumulative_sum(lengths.cast(pa.int64()))
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
        return pa.LargeListArray.from_arrays(offsets, values.flatten().dictionary_decode(), mask=values.is_null())
    return values


def _as(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return an array with the type `kind`."""
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    return values if values.type == kind else values.cast(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type without the dictionaries and extensions in it."""
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    return pa.list_(_plain(kind.value_type)) if pa.types.is_list(kind) else kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return str(kind) in ("string", "large_string", "binary", "large_binary")
