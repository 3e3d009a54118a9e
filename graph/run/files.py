"""Safe reading of a run's folder, which another user may have written.

A run's folder holds plain files of bounded size and folders; links, pipes and devices are refused before anything is
read. Labels name files, so they have a closed alphabet. Tables are bounded in memory, not only on the disk, where a
column of one repeated value takes almost no space.
"""

import contextlib
import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envdata.errors import UserError
from sandbox.candidate import MAX_SOURCE

MAX_FILE = 1 << 30
"""Bytes of one file."""
MAX_TEXT = 256 << 20
"""Bytes of a file of text or JSON."""
MAX_FILES = 200_000
MAX_TABLE = 8 << 30
"""Bytes of one table in memory."""
MAX_CELL = 1 << 20
"""Bytes of one text in a table."""

LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
"""Label of a controller: a candidate's round and place, as in r2-01, or the name of a shipped controller."""
_LABEL_FIELDS = frozenset({"label", "best", "selected", "same_as", "best_baseline", "round_1_best"})
"""Keys in JSON whose values are labels."""
_KEYED_BY_LABEL = frozenset({"scores", "sweeps"})
"""Keys in JSON whose values are objects keyed by label."""
_FREE_FORM = frozenset({"notes", "schedules"})
"""Keys in JSON whose values have keys chosen by explorers and candidates."""


class RunError(UserError, ValueError):
    """A run cannot be started, resumed or read. The message says why, and what to do."""


def check_label(label: object, where: Path) -> str:
    """Return `label` if it is a valid label of a controller, found in the file `where`. Raises RunError otherwise."""
    if isinstance(label, str) and LABEL.fullmatch(label):
        return label
    raise RunError(
        f"{where}: {str(label)[:80]!a} is no label of a controller, which is made of letters, digits, - and _, as in "
        "r2-01; no run wrote this"
    )


def check_folder(folder: Path) -> None:
    """Raise RunError if a run's folder holds anything but plain files and folders, or more than `MAX_FILES`.

    The folder itself may be a link: the user named it. Workspaces of coding agents are skipped, as they are never read.
    """
    waiting, count = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MAX_FILES:
                    raise RunError(f"{folder} holds more than {MAX_FILES} files; this is not the folder of a run")
                # A run in progress renames and removes files.
                with contextlib.suppress(FileNotFoundError):
                    if _is_folder(entry) and not _is_agent_workspace(Path(entry.path).relative_to(folder)):
                        waiting.append(Path(entry.path))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder. Raises RunError for other than a folder or a plain file of bounded size."""
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return True
    if not stat.S_ISREG(status.st_mode):
        kind = "a link" if entry.is_symlink() else "no plain file"
        raise RunError(
            f"{entry.path} is {kind}; a run's folder holds plain files alone: put the file itself there, or remove it"
        )
    if status.st_size > MAX_FILE:
        raise RunError(f"{entry.path} has {status.st_size} bytes; a run's file has {MAX_FILE} at most")
    return False


def _is_agent_workspace(path: Path) -> bool:
    return len(path.parts) == 2 and path.parts[0].startswith("round-") and path.parts[1].startswith("agent-")


def open_plain(path: Path, limit: int = MAX_FILE) -> BinaryIO:
    """Open a regular file of at most `limit` bytes for reading, without following a link.

    Raises:
        RunError: The file is not regular, too large, or cannot be opened.
        FileNotFoundError: There is no file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{path} cannot be opened as a plain file ({error.strerror})") from None
    stream = os.fdopen(descriptor, "rb")
    status = os.fstat(descriptor)
    regular = stat.S_ISREG(status.st_mode)
    if not regular or status.st_size > limit:
        stream.close()
        fault = f"has {status.st_size} bytes; the limit is {limit}" if regular else "is no plain file"
        raise RunError(f"{path} {fault}")
    return stream


def read_bytes(path: Path, limit: int = MAX_TEXT) -> bytes:
    """Return the content of a file of at most `limit` bytes. Raises RunError, FileNotFoundError."""
    with open_plain(path, limit) as stream:
        return stream.read(limit + 1)


def read_text(path: Path, limit: int = MAX_TEXT) -> str:
    """Return the text of a UTF-8 file of at most `limit` bytes. Raises RunError, FileNotFoundError."""
    try:
        return read_bytes(path, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from None


def read_source(path: Path) -> str:
    """Return the source of a candidate. Raises RunError, FileNotFoundError."""
    return read_text(path, MAX_SOURCE)


def read_json(path: Path) -> Any:
    """Return the value in a JSON file after checking its labels. Raises RunError, FileNotFoundError."""
    try:
        value = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise RunError(f"{path} is not JSON ({type(error).__name__}: {error})") from None
    _check_labels(value, path)
    return value


def read_table(path: Path, columns: Sequence[str] | None = None, schema: pa.Schema | None = None) -> pa.Table:
    """Return a Parquet table after checking its labels.

    Args:
        path: File.
        columns: Columns to read; all by default.
        schema: Columns and types of the result, instead of the file's; a column that the file lacks is null.

    Raises:
        RunError: The file is no Parquet table, or takes more than `MAX_TABLE` bytes of memory.
        FileNotFoundError: There is no file.
    """
    with open_plain(path) as stream:
        try:
            own = pq.read_schema(stream)
            stream.seek(0)
            # Texts stay dictionary-encoded until their decoded size is checked: one text may fill a million rows.
            file = pq.ParquetFile(stream, read_dictionary=[each.name for each in own if pa.types.is_string(each.type)])
            _check_size(file, own, path)
            table = file.read(list(columns) if columns is not None else None)
            _check_texts(table, path)
            wanted = schema or pa.schema([own.field(name) for name in table.column_names])
            arrays = [
                table.column(each.name).cast(each.type)
                if each.name in table.column_names
                else pa.nulls(table.num_rows, each.type)
                for each in wanted
            ]
            return pa.table(arrays, schema=wanted)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise RunError(f"{path} is not a table of a run ({type(error).__name__}: {error})") from None


def _check_size(file: pq.ParquetFile, own: pa.Schema, path: Path) -> None:
    strange = [each.name for each in own if not _is_plain(each.type)]
    if strange:
        raise RunError(f"{path}: column {strange[0]!a} holds neither numbers nor texts; no run wrote this")
    facts = file.metadata
    stored = sum(facts.row_group(place).total_byte_size for place in range(facts.num_row_groups))
    size = max(stored, 8 * facts.num_rows * facts.num_columns)
    if not 0 <= size <= MAX_TABLE:
        raise RunError(f"{path} would take {size} bytes of memory; the limit is {MAX_TABLE}")


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        return bool(pa.types.is_string(kind))
    return any(
        is_kind(kind)
        for is_kind in (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string)
    )


def _check_texts(table: pa.Table, path: Path) -> None:
    """Check the length of each distinct text, and that controllers are valid labels."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_dictionary(column.type):
            continue
        for chunk in column.chunks:
            longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
            if longest > MAX_CELL or longest * len(chunk) > MAX_TABLE:
                raise RunError(f"{path}: a text of {longest} bytes in column {name}; the limit is {MAX_CELL}")
            if name == "controller":
                for label in chunk.dictionary.to_pylist():
                    check_label(label, path)


def _check_labels(value: Any, path: Path) -> None:
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, list):
            waiting += inner
        elif isinstance(inner, dict):
            for name, member in inner.items():
                if name in _LABEL_FIELDS and isinstance(member, str):
                    check_label(member, path)
                elif name in _KEYED_BY_LABEL and isinstance(member, dict):
                    for label in member:
                        check_label(label, path)
                if name not in _FREE_FORM:
                    waiting.append(member)
