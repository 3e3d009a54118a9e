"""Rows of question files: JSONL, JSON, CSV and Parquet, as pandas, polars, DuckDB, Spark and people write them."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from envdata import parquet
from envdata.collect.questions import FORMS, QuestionError
from envdata.json_text import parse
from envdata.printable import escaped
from envdata.table_columns import as_doubles
from envdata.text_files import TextFileError, read_text

Row = tuple[str, Mapping[str, Any]]
"""A row's place, in words, and its values by column."""

DELIMITERS = ",;\t"
"""Separators of columns in CSV; the first of them in a file's first line is taken."""
_PARQUET = b"PAR1"
_BLANK = " \t\r\n\x00\x1a"
"""White space, and what old programs write at a file's end."""
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)
_BIGGEST_FIELD = 1 << 27
"""Largest length of a field of CSV, in characters; Python's own limit is shorter than some prompts."""


def rows_of(path: Path) -> Iterator[Row]:
    """Yield the rows of a file, in order.

    Parquet is recognised by its content, CSV by its name, and anything else is read as JSON. Text may be compressed by
    gzip.

    Raises:
        QuestionError: The file cannot be read; the message names the file and the line or row.
    """
    try:
        with path.open("rb") as stream:
            is_parquet = stream.read(len(_PARQUET)) == _PARQUET
        if is_parquet or path.suffix == ".parquet":
            yield from _parquet(path)
            return
        text = read_text(path)
    except OSError as error:
        folder = f"; name one of the files in it, such as {first}" if (first := _inside(path)) else ""
        raise QuestionError(f"{path}: cannot be read ({error.strerror}){folder}; give {FORMS}") from None
    except (TextFileError, parquet.ParquetError) as error:
        raise QuestionError(f"{path}: {error}") from None
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if ".csv" in suffixes or ".tsv" in suffixes:
        yield from _csv(path, text)
    elif text.lstrip("\ufeff \t\r\n").startswith("["):
        yield from _json(path, text)
    else:
        yield from _jsonl(path, text)


def _inside(path: Path) -> str | None:
    """Return the name of a Parquet file in a folder that Spark or DuckDB wrote, None if there is none."""
    names = sorted(each.name for each in path.glob("*.parquet")) if path.is_dir() else []
    return names[0] if names else None


def _jsonl(path: Path, text: str) -> Iterator[Row]:
    """Yield the rows of JSON lines."""
    # Not splitlines: texts in JSON may hold other line ends, such as U+2028.
    for number, line in enumerate(text.split("\n" if "\n" in text else "\r"), 1):
        if line.strip(_BLANK):
            where = f"{path}, line {number}"
            try:
                record = parse(line)
            except ValueError as error:
                raise QuestionError(f"{where}: is not JSON ({error}){_one_object(text)}") from None
            yield where, _object(where, record)


def _one_object(text: str) -> str:
    """Return the advice for a text that is one JSON object over several lines; empty for others."""
    try:
        whole = parse(text)
    except ValueError:
        return ""
    lists = [name for name, value in whole.items() if isinstance(value, list)] if isinstance(whole, dict) else []
    within = f", such as the one under {escaped(lists[0][:40])!r}" if lists else ""
    return f"; the file is one JSON object: give the list of questions alone{within}"


def _json(path: Path, text: str) -> Iterator[Row]:
    """Yield the rows of a JSON list."""
    try:
        records = parse(text)
    except ValueError as error:
        raise QuestionError(f"{path}: is not JSON ({error})") from None
    for number, record in enumerate(records):
        where = f"{path}, entry {number}"
        yield where, _object(where, record)


def _object(where: str, record: Any) -> dict[str, Any]:
    """Return a record, or raise QuestionError if it is not an object."""
    if not isinstance(record, dict):
        raise QuestionError(f"{where}: is not an object with 'question' and 'answer'")
    return record


def _csv(path: Path, text: str) -> Iterator[Row]:
    """Yield rows with the columns of the first line; an empty field is None, since CSV has no other null."""
    first = text.lstrip("\r\n").partition("\n")[0]
    # Excel names the delimiter in a line of its own.
    named = _SEPARATOR_LINE.match(text)
    delimiter = named[1] if named else next((each for each in DELIMITERS if each in first), ",")
    csv.field_size_limit(_BIGGEST_FIELD)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        if named:
            next(lines)
        columns = [name.strip() for name in next((fields for fields in lines if fields), [])]
        # A spreadsheet's empty columns have no names; pandas' index has none either.
        twice = [name for name in columns if name and columns.count(name) > 1]
        if twice:
            raise QuestionError(f"{path}, line 1: column '{escaped(twice[0])}' is there more than once; keep one")
        while True:
            where = f"{path}, line {lines.line_num + 1}"
            fields = next(lines, None)
            if fields is None:
                return
            if len(fields) not in (0, len(columns)):
                raise QuestionError(
                    f"{where}: has {len(fields)} fields, and the first line {len(columns)}; quote fields that hold "
                    f"{delimiter!r} or a line end"
                )
            if any(fields):
                yield where, {name: field or None for name, field in zip(columns, fields, strict=True)}
    except csv.Error as error:
        raise QuestionError(f"{path}, line {lines.line_num}: is not CSV ({error})") from None


def _parquet(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file."""
    number = 0
    try:
        for batch in parquet.batches(path):
            names = batch.schema.names
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise QuestionError(f"{path}: column '{escaped(twice[0])}' is there more than once; keep one")
            columns = [as_doubles(column) for column in batch.columns]
            for record in pa.RecordBatch.from_arrays(columns, names).to_pylist():
                yield f"{path}, row {number}", record
                number += 1
    except parquet.ParquetError as error:
        raise QuestionError(f"{path}: {error}") from None
