"""Where checkpoints are kept: what a URL may hold, and a real PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from graph.explorers.registry import make_explorer
from graph.loop.checkpoints import check_url, checkpoints, waiting_for
from graph.loop.context import Context
from graph.loop.machine import NODES, run
from graph.run.files import RunError
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from tests.graph.running import autotts, files
from tests.postgres import binaries

PASSWORD = "canary-of-the-checkpoints"


@pytest.mark.parametrize("url", ["sqlite", "postgresql://me@127.0.0.1:5432/runs", "postgres:///runs?host=/run/sql"])
def test_places_without_secrets_are_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgresql://me:{PASSWORD}@host/runs", "leave the password out of the URL"),
        (f"postgresql://host/runs?user=me&password={PASSWORD}", "leave the password out of the URL"),
        (f"host=here password={PASSWORD}", "is not understood; give sqlite"),
        (f"mysql://me:{PASSWORD}@host/runs", "'mysql' is not understood"),
        ("", "is not understood"),
        ("postgresql://[", "is not understood"),
    ],
)
def test_a_password_is_refused_and_not_repeated(url: str, says: str) -> None:
    with pytest.raises(RunError, match=says) as refused:
        check_url(url)
    assert PASSWORD not in str(refused.value)


def test_a_database_that_does_not_answer_is_said_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = RunSettings(grids=("g",), checkpoints=f"postgresql://me@127.0.0.1:{closed.getsockname()[1]}/runs")
        with (
            pytest.raises(RunError, match=r"does not answer: .*; the address comes from --checkpoints") as refused,
            checkpoints(RunFolder(tmp_path), settings),
        ):
            pass
    assert PASSWORD not in str(refused.value)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a PostgreSQL of our own, that wants a password."""
    found = binaries()
    assert found is not None
    # Not below the test's own folder: it refuses to run as root, and another user cannot get there.
    kept = tempfile.TemporaryDirectory(prefix="autotts-postgres-")
    home = Path(kept.name)
    secret = home / "secret"
    secret.write_text(PASSWORD)
    other = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if other:
        for path in (home, secret):
            shutil.chown(path, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = home / "data"
    subprocess.run([*other, found / "initdb", "-D", data, "-U", "me", "--pwfile", secret, "-A", "scram-sha-256"],
                   check=True, capture_output=True)  # fmt: skip
    control = [*other, found / "pg_ctl", "-D", data, "-w"]
    options = f"-p {port} -h 127.0.0.1 -k {home}"
    subprocess.run(
        [*control, "-l", home / "log", "-o", options, "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        yield f"postgresql://me@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=True, capture_output=True)
        kept.cleanup()


@pytest.mark.postgres
def test_a_run_kept_in_postgresql_stops_goes_on_and_ends_as_any(
    tmp_path: Path, options: tuple[object, ...], finished: Path, database: str
) -> None:
    out = tmp_path / "run"
    stopped = autotts("discover", *options, "--approve", "--checkpoints", database, "--out", out)
    assert stopped.returncode == 3, stopped.stderr
    settings = Pinned.load(out / "run.toml").settings
    pause = waiting_for(RunFolder(out), settings)
    assert pause is not None
    assert pause.waits_for == "approval"
    for code in (3, 0):
        ended = autotts("discover", "--resume", out, "--approve")
        assert ended.returncode == code, ended.stderr
    assert not (out / "checkpoints.sqlite").exists()
    named = {"run.toml", "report.html", "thread.json"}
    assert {k: v for k, v in files(out).items() if k not in named} == {
        k: v for k, v in files(finished).items() if k not in named
    }
    for path in out.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    with checkpoints(RunFolder(out), settings) as (saver, config):
        assert len(list(saver.list(config))) > 4 * 2
        # A type that is not plain data does not come back as itself.
        foreign = type(saver.serde)(allowed_msgpack_modules=True).dumps_typed(settings)  # type: ignore[call-arg]
        assert not isinstance(saver.serde.loads_typed(foreign), RunSettings)
    other = autotts("discover", *options, "--approve", "--checkpoints", database, "--out", tmp_path / "other")
    # Another run in the same database begins at its own beginning.
    assert other.returncode == 3, other.stderr
    refused = autotts("discover", "--resume", tmp_path / "other", "--approve", PGPASSWORD="wrong")
    assert refused.returncode == 1
    assert "does not answer" in refused.stderr


class Died(Exception):
    """In the place of a kill."""


def test_a_kill_between_a_nodes_result_and_the_checkpoint_after_it_loses_nothing(
    make_context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = make_context(make_explorer("evolution"))
    keep = SqliteSaver.put
    lives = 0

    def put(saver: SqliteSaver, *arguments: Any) -> Any:
        nonlocal lives
        if lives == 0:
            raise Died
        lives -= 1
        return keep(saver, *arguments)

    monkeypatch.setattr(SqliteSaver, "put", put)
    for _ in range(20):
        # Each time one checkpoint is kept, and the node after it gives its result.
        lives = 1
        with suppress(Died):
            run(context)
        if context.folder.result.exists():
            break
    # The last checkpoint is still owed.
    lives = 9
    assert run(context) is None
    with checkpoints(context.folder, context.settings) as (saver, config):
        found = saver.get_tuple(config)
        assert found is not None
        assert found.metadata["step"] == len(NODES)
        assert not found.pending_writes
    # Nodes are run once each, whatever was lost between them.
    done = [
        event["node"]
        for event in Transcript(context.folder.round(1).transcript).of_all_rounds()
        if event["event"] == "done"
    ]
    assert sorted(done) == sorted(NODES)
