"""Conversion of columns that other tools wrote to the types of a grid.

pandas, polars, DuckDB, Spark and fastparquet have different types for the same values: whole numbers may come as
decimals or floats, texts as bytes, categories or numbers, lists as JSON. Values of equal meaning are converted; other
values are refused, with the value in the error.
"""

import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.json_text import parse


class ColumnError(ValueError):
    """A column cannot be converted; the message states its content, without file and column."""

    def __init__(self, message: str, row: int | None = None) -> None:
        """Store the message, and the row of the wrong value, or None where all values are wrong."""
        super().__init__(message)
        self.row = row


def as_type(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Return values converted to a grid's type. A float that is NaN becomes null.

    Args:
        values: A column.
        wanted: int32, float32, string, a dictionary of strings, or a list of one of them.

    Raises:
        ColumnError: A value means nothing in the wanted type.
    """
    values = _storage(values)
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), wanted)
    if pa.types.is_dictionary(wanted):
        return _categories(values, wanted)
    if pa.types.is_dictionary(values.type):
        values = _storage(values.dictionary_decode())
    if pa.types.is_list(wanted):
        return _lists(values, wanted)
    if pa.types.is_string(wanted):
        return _texts(values)
    numbers = _numbers(values, wanted)
    return _whole(numbers, wanted) if pa.types.is_integer(wanted) else numbers.cast(wanted, safe=False)


def number_text(value: int | float | decimal.Decimal) -> str:
    """Return a number as an answer is written: whole ones without a point, since nobody writes 7.0."""
    if isinstance(value, int):
        return str(value)
    if value == value.__trunc__():
        return str(value.__trunc__())
    return format(value.normalize(), "f") if isinstance(value, decimal.Decimal) else repr(value)


def as_doubles(values: pa.Array) -> pa.Array:
    """Return numbers of 32 bits as the doubles that are written alike (0.1, not 0.10000000149); others as they are."""
    return values.cast(pa.string()).cast(pa.float64()) if pa.types.is_float32(values.type) else values


def _storage(values: pa.Array) -> pa.Array:
    """Return the values without extension types and run-end encoding."""
    if isinstance(values, pa.ExtensionArray):
        return _storage(values.storage)
    return pc.run_end_decode(values) if pa.types.is_run_end_encoded(values.type) else values


def _categories(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Return a dictionary of strings without repeated entries."""
    if not pa.types.is_dictionary(values.type):
        return _texts(values).dictionary_encode().cast(wanted)
    # A dictionary may hold an entry twice; codes are compared, so each text needs a single code.
    entries = as_type(values.dictionary, pa.string()).dictionary_encode()
    codes = entries.indices.take(values.indices.cast(pa.int64()))
    return pa.DictionaryArray.from_arrays(codes.cast(pa.int32()), entries.dictionary)


def _lists(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Return lists whose entries have the wanted type. Raises ColumnError, with the row of the list."""
    kind = values.type
    if _is_text(kind):
        values = _out_of_json(values)
    elif not (pa.types.is_fixed_size_list(kind) or "list<" in str(kind) or "list_view<" in str(kind)):
        raise ColumnError(f"{kind} is not {wanted}")
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.cumsum(lengths)
    if len(ends) and ends[-1] > np.iinfo(np.int32).max:
        raise ColumnError(f"{ends[-1]:,} values in the lists; a grid's column holds {np.iinfo(np.int32).max:,} at most")
    try:
        inner = as_type(values.flatten(), wanted.value_type)
    except ColumnError as error:
        row = None if error.row is None else int(np.searchsorted(ends, error.row, side="right"))
        raise ColumnError(str(error), row) from None
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    return pa.ListArray.from_arrays(offsets, inner, type=wanted, mask=values.is_null())


def _out_of_json(values: pa.Array) -> pa.Array:
    """Return lists that are written as JSON, as fastparquet and DuckDB's JSON type do. Raises ColumnError."""
    lists: list[list[Any] | None] = []
    for row, text in enumerate(_texts(values).to_pylist()):
        try:
            value = None if text is None else parse(text)
        except ValueError as error:
            raise ColumnError(f"{text!r:.60} is neither a list nor one in JSON ({error})", row) from None
        if value is not None and not isinstance(value, list):
            raise ColumnError(f"{text!r:.60} is neither a list nor one in JSON", row)
        lists.append(value)
    try:
        return pa.array(lists) if any(lists) else pa.array(lists, pa.list_(pa.null()))
    except (pa.ArrowException, TypeError, OverflowError):
        raise ColumnError("lists in JSON hold values of several types") from None


def _texts(values: pa.Array) -> pa.Array:
    """Return strings; numbers are written as answers are. Raises ColumnError."""
    kind = values.type
    if pa.types.is_fixed_size_binary(kind):
        values = values.cast(pa.binary())
    if _is_text(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return values.cast(pa.string())
        except pa.ArrowException:
            raise _no_text(values) from None
    if not _is_number(kind):
        raise ColumnError(f"{kind} is not {pa.string()}")
    coded = (_numbers(as_doubles(values), None) if not pa.types.is_decimal(kind) else values).dictionary_encode()
    return pa.array([number_text(_finite(value)) for value in coded.dictionary.to_pylist()], pa.string()).take(
        coded.indices
    )


def _no_text(values: pa.Array) -> ColumnError:
    """Return the error for values that cannot be cast to strings."""
    for row, value in enumerate(values.to_pylist() if not pa.types.is_string(values.type) else ()):
        if isinstance(value, bytes):
            try:
                value.decode("utf-8")
            except UnicodeDecodeError:
                return ColumnError(f"{value!r:.60} is not UTF-8 text", row)
    return ColumnError(f"{values.type} is not text of at most 2 GiB")


def _finite(value: Any) -> Any:
    """Return a value that is not infinite, else raise ColumnError."""
    if isinstance(value, float) and abs(value) == float("inf"):
        raise ColumnError(f"{value} is no answer")
    return value


def _numbers(values: pa.Array, wanted: pa.DataType | None) -> pa.Array:
    """Return the values as numbers, NaN as null; decimals as float64 unless integers are wanted. Raises ColumnError."""
    kind = values.type
    if not _is_number(kind):
        raise ColumnError(f"{kind} is not {wanted}")
    if pa.types.is_floating(kind):
        wide = values.cast(pa.float64())
        return pc.if_else(pc.is_nan(wide), pa.scalar(None, pa.float64()), wide)
    if pa.types.is_decimal(kind) and not pa.types.is_integer(wanted or pa.float64()):
        return values.cast(pa.float64())
    return values


def _whole(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Return the values as integers. Raises ColumnError for a value with a fraction or out of range."""
    try:
        return values.cast(wanted)
    except pa.ArrowException:
        bound = np.iinfo(wanted.to_pandas_dtype())
        for row, value in enumerate(values.to_pylist()):
            if value is not None and (value != value // 1 or not bound.min <= value <= bound.max):
                raise ColumnError(f"{value} is not a whole number of {bound.bits} bits", row) from None
        raise ColumnError(f"{values.type} is not {wanted}") from None


def _is_text(kind: pa.DataType) -> bool:
    return str(kind) in ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
