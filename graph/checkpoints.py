"""Where LangGraph keeps a run's checkpoints: a SQLite file in its folder, or a PostgreSQL database.

Whatever is read back is plain data: no other type is allowed in, so that a checkpoint somebody else could write to
cannot make this process build objects.
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

from graph.folder import RunFolder, read_json, write_json
from graph.pausing import Pause
from graph.settings import RunError, RunSettings

SQLITE = "sqlite"
"""A file in the run's folder."""
THREAD: RunnableConfig = {"configurable": {"thread_id": "run"}}
"""A checkpoint file holds one run."""
SCHEMES = ("postgresql", "postgres")


@contextmanager
def checkpoints(folder: RunFolder, settings: RunSettings) -> Iterator[tuple[BaseCheckpointSaver[Any], RunnableConfig]]:
    """The saver of a run, and the configuration that names its thread. Raises RunError."""
    url = settings.checkpoints
    if url == SQLITE:
        with sqlite_checkpoints(folder.checkpoints) as saver:
            yield saver, {**THREAD}
    else:
        check_url(url)
        with _postgres(url) as saver:
            yield saver, {"configurable": {"thread_id": _thread(folder)}}


def waiting_for(folder: RunFolder, settings: RunSettings) -> Pause | None:
    """What the run in a folder waits for; None if it does not. Raises RunError."""
    with checkpoints(folder, settings) as (saver, config):
        found = saver.get_tuple(config)
        for _, channel, value in (found.pending_writes or ()) if found is not None else ():
            if channel == INTERRUPT:
                return Pause.from_interrupt(value[0].value)
    return None


@contextmanager
def sqlite_checkpoints(path: Path) -> Iterator[SqliteSaver]:
    """LangGraph's saver over a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield SqliteSaver(connection, serde=strict_serializer())


def strict_serializer() -> JsonPlusSerializer:
    """Plain data, and LangGraph's own few types; anything else comes back as what it was made of."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


def check_url(url: str) -> None:
    """Raise RunError for other than `sqlite` or a URL of PostgreSQL, and for a password: it would be in `run.toml`."""
    if url == SQLITE:
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in SCHEMES:
        # Not the whole text: what is no URL may hold anything.
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
    """A database holds many runs; each has a name of its own, that stays with its folder."""
    path = folder.path / "thread.json"
    if not path.exists():
        write_json(path, {"thread_id": str(uuid.uuid4())})
    return str(read_json(path)["thread_id"])


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
