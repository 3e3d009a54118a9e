"""LangGraph checkpointers of a run: a SQLite file in its folder, or a PostgreSQL database.

Checkpoints are read as plain data only, so that a manipulated checkpoint cannot make this process build objects.
"""

import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import INTERRUPT
from langgraph.checkpoint.sqlite import SqliteSaver

from envdata.locks import lock_holders
from graph.loop.interrupts import RunInterrupt
from graph.run.files import RunError
from graph.run.paths import RunFolder, read_json, write_json
from graph.run.settings import RunSettings

SQLITE = "sqlite"
"""A file in the run's folder."""
THREAD: RunnableConfig = {"configurable": {"thread_id": "run"}}
"""A checkpoint file holds one run."""
FORMS = ("null", "bytes", "bytearray", "msgpack")
"""Serialisation formats that a run's checkpoints may use."""
SCHEMES = ("postgresql", "postgres")

BUSY_SECONDS = 20.0
"""Seconds to wait for another program that has a checkpoint file locked."""

_REMEDIES = {
    "SQLITE_FULL": "make room there",
    "SQLITE_IOERR": "the disk is full or failing, or its file system lacks what SQLite needs",
    "SQLITE_READONLY": "choose a place that can be written",
    "SQLITE_CANTOPEN": "choose a place that can be written",
    "SQLITE_PERM": "choose a place that can be written",
    "SQLITE_PROTOCOL": "the file system has no locks; choose a folder on another one, such as a local disk",
    "SQLITE_CORRUPT": "the file is damaged, and the run cannot be gone on with",
    "SQLITE_NOTADB": "the file is damaged, and the run cannot be gone on with",
}


class CheckpointError(RunError):
    """The checkpoint file cannot be used. The message says why, and what to do."""


@contextmanager
def checkpoints(folder: RunFolder, settings: RunSettings) -> Iterator[tuple[BaseCheckpointSaver[Any], RunnableConfig]]:
    """Yield the checkpointer of a run and the LangGraph configuration of its thread.

    Raises:
        RunError: The URL, the file or the database cannot be used, or a package is missing.
    """
    url = settings.checkpoints
    if url == SQLITE:
        with sqlite_checkpoints(folder.checkpoints) as saver:
            yield saver, {**THREAD}
    else:
        check_url(url)
        with _postgres(url) as saver:
            yield saver, {"configurable": {"thread_id": _thread(folder)}}


def waiting_for(folder: RunFolder, settings: RunSettings) -> RunInterrupt | None:
    """Return the interrupt that the run in a folder waits at, or None. Raises RunError."""
    with checkpoints(folder, settings) as (saver, config):
        checkpoint = saver.get_tuple(config)
        for _, channel, value in (checkpoint.pending_writes or ()) if checkpoint is not None else ():
            if channel == INTERRUPT:
                return RunInterrupt.from_interrupt(value[0].value)
    return None


@contextmanager
def sqlite_checkpoints(path: Path) -> Iterator[SqliteSaver]:
    """Yield LangGraph's SQLite checkpointer on the file `path`.

    Raises:
        CheckpointError: The file cannot be used; raised at opening or at any later access within the block.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            # Views and triggers of a foreign file must not call functions with side effects.
            connection.execute("PRAGMA trusted_schema = OFF")
            yield SqliteSaver(connection, serde=strict_serializer())
    except sqlite3.Error as error:
        # Extended codes, such as SQLITE_IOERR_WRITE, start with the name of their primary code.
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith("SQLITE_BUSY"):
            # SQLite's locks are on the file, or in its journal mode WAL on the index of that.
            holders = lock_holders(path, path.with_name(f"{path.name}-shm"))
            raise CheckpointError(
                f"{path}: {error} for {BUSY_SECONDS:g} s by {holders}; wait for its end, or end it"
            ) from error
        remedy = next((remedy for kind, remedy in _REMEDIES.items() if code.startswith(kind)), None)
        if remedy is None:
            raise
        raise CheckpointError(f"{path}: {error}; {remedy}") from error


class PlainSerializer(JsonPlusSerializer):
    """Serialiser that reads MessagePack only: neither pickles nor JSON that names types.

    LangGraph can read the latter, which may build objects of langchain-core and read environment variables.
    """

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the deserialised value. Raises RunError for a format that no run writes."""
        if data[0] not in FORMS:
            raise RunError(f"the checkpoints hold a value in the form {str(data[0])[:40]!a}; no run wrote them")
        return super().loads_typed(data)


def strict_serializer() -> JsonPlusSerializer:
    """Return a serialiser that restores plain data and LangGraph's own types; other types stay plain data."""
    return PlainSerializer(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)


def check_url(url: str) -> None:
    """Raise RunError unless `url` is `sqlite` or a PostgreSQL URL without a password.

    URLs are written into `run.toml`, which must not hold a password.
    """
    if url == SQLITE:
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in SCHEMES:
        # Not the whole text: it may hold a secret.
        raise RunError(
            f"--checkpoints: {parts.scheme or 'that'!r} is not understood; give sqlite for a file in the run's "
            "folder, or give postgresql://USER@HOST:PORT/DATABASE"
        )
    if parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True):
        raise RunError(
            "--checkpoints: leave the password out of the URL, which is written into run.toml; give it in the "
            "environment as PGPASSWORD, or in a file that PGPASSFILE names"
        )


def _thread(folder: RunFolder) -> str:
    """Return the thread id of a run in a shared database; it is kept in the run's folder."""
    path = folder.path / "thread.json"
    if not path.exists():
        write_json(path, {"thread_id": str(uuid.uuid4())})
    try:
        return str(uuid.UUID(read_json(path)["thread_id"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path} names no thread of a run") from None


@contextmanager
def _postgres(url: str) -> Iterator[BaseCheckpointSaver[Any]]:
    try:
        import psycopg
        from langgraph.checkpoint.postgres import PostgresSaver
        from psycopg.rows import dict_row
    except ImportError as error:
        raise RunError(
            f"checkpoints in PostgreSQL need more packages ({error}): pip install 'autotts[postgres]'"
        ) from None
    try:
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=0, row_factory=dict_row)
    except psycopg.Error as error:
        raise RunError(
            f"the checkpoints' database does not answer: {_without_secrets(str(error))}; the address comes from "
            "--checkpoints, the password from PGPASSWORD or PGPASSFILE"
        ) from None
    with closing(connection):
        saver = PostgresSaver(connection, serde=strict_serializer())
        saver.setup()
        yield saver


def _without_secrets(text: str) -> str:
    return re.sub(r"password=\S+", "password=…", " ".join(text.split()))
