"""A session of a program in the confinement: its process, its two sockets, its output, and its end.

The program works in `workspace`, a folder below the session's. Its output is kept in `output.txt` and `errors.txt`.
"""

import hashlib
import json
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from envdata.atomic import temporary_folder
from envdata.grid_names import grid_file
from graph.explorers.agents import confinement
from graph.explorers.agents.draft_evaluations import Service
from graph.explorers.agents.meter import Meter
from graph.explorers.agents.model_proxy import Limits, open_door
from graph.explorers.agents.programs import AgentProgram
from graph.explorers.agents.recorded_replies import RecordedReplies
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from sandbox.backends import payload
from sandbox.sanitize import quoted

MAX_OUTPUT_KEPT = 4 << 20
"""Bytes of a program's output that are kept, from the beginning."""


def session_folder(transcript: Transcript, kind: str, attempt: int) -> Path:
    """Return the folder of a session in the folder of a round.

    Args:
        transcript: The round's transcript. One with a stamp, as several explorers have, gives each a folder of its own.
        kind: Beginning of the folder's name.
        attempt: Number of the attempt, from 0.
    """
    stamp = json.dumps(dict(transcript.stamp), sort_keys=True).encode()
    author = f"-{hashlib.sha256(stamp).hexdigest()[:8]}" if transcript.stamp else ""
    return transcript.path.parent / f"{kind}-{attempt}{author}"


def clear_session(session: Path) -> None:
    """Move an earlier session's folder away and remove it, since its files may be links to anywhere.

    Removal may fail, for folders that are nested too deeply or not readable; the new session does not depend on it.
    """
    if session.exists():
        old = session.with_name(f"{session.name}-{uuid.uuid4().hex}")
        session.rename(old)
        with suppress(OSError, RecursionError):
            shutil.rmtree(old)


def run_session(
    program: AgentProgram,
    session: Path,
    play: Callable[[str], Mapping[str, Any]],
    meter: Meter,
    settings: RunSettings,
    deadline: float,
    replies: RecordedReplies | None = None,
) -> tuple[int | None, float]:
    """Run a program in the confinement until it ends, or until `deadline`.

    Args:
        program: The program.
        session: Folder of the session, in the folder of a round; `workspace` in it exists.
        play: Plays a draft and returns its figures.
        meter: Admits and counts the calls to the model.
        settings: Settings of the run; its grids are hidden, and `research_data` adds numpy.
        deadline: By `time.monotonic`.
        replies: Replies of the model that were paid for already, and that are kept; None to keep none.

    Returns:
        Its exit code, None if it was stopped, and the seconds that it took.
    """
    started = time.monotonic()
    secret = [grid_file(path).absolute().parent for path in (*settings.grids, *settings.heldout)]
    secret += [session.parents[1].absolute(), *program.covered]
    with _socket_folder() as sockets, Service(sockets / "evaluate.sock", play) as service:
        upstream = program.upstream
        door = open_door(sockets / "model.sock", upstream, meter, Limits(until=deadline), replies) if upstream else None
        environment, read_only = dict(program.environment), dict(program.read_only)
        if settings.research_data:
            environment["PYTHONPATH"] = confinement.PACKAGES
            read_only |= {path: f"{confinement.PACKAGES}/{name}" for name, path in payload.packages().items()}
        line = confinement.confined_command(
            program.argv, workspace=(session / "workspace").absolute(), sockets=sockets, environment=environment,
            read_only=read_only, secret=secret,
        )  # fmt: skip
        with door or nullcontext(), _outputs(session) as (out, errors):
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env={})
            with _stopped_at(process, deadline) as stopped:
                while process.poll() is None:
                    # Drafts are played in this thread, since a sandbox ends with the thread that started it.
                    service.handle_request()
            exit_code = None if stopped.is_set() else process.returncode
    return exit_code, round(time.monotonic() - started, 1)


def last_words(session: Path, size: int = 2000) -> str:
    """Return the end of a session's `errors.txt`, `size` bytes at most, quoted; `nothing` if it is empty."""
    with (session / "errors.txt").open("rb") as stream:
        stream.seek(max(0, (session / "errors.txt").stat().st_size - size))
        return quoted(stream.read(size).decode("utf-8", "replace")) or "nothing"


@contextmanager
def _outputs(session: Path) -> Iterator[tuple[Any, Any]]:
    """Yield the open files of the output and the errors, which are cut to `MAX_OUTPUT_KEPT` bytes in the end."""
    paths = session / "output.txt", session / "errors.txt"
    try:
        with paths[0].open("wb") as out, paths[1].open("wb") as errors:
            yield out, errors
    finally:
        for path in paths:
            if path.stat().st_size > MAX_OUTPUT_KEPT:
                with path.open("rb+") as stream:
                    stream.truncate(MAX_OUTPUT_KEPT)


@contextmanager
def _stopped_at(process: "subprocess.Popen[bytes]", deadline: float) -> Iterator[threading.Event]:
    """Kill a process at `deadline` by `time.monotonic`, or at the end of the block. Yields the event set at `deadline`.

    A timer thread does it, because this thread may be evaluating a draft beyond the deadline.
    """
    stopped = threading.Event()

    def stop() -> None:
        if process.poll() is None:
            stopped.set()
            process.kill()

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), stop)
    timer.daemon = True
    timer.start()
    try:
        yield stopped
    finally:
        timer.cancel()
        # All processes of the confinement end with its first one.
        process.kill()
        process.wait()


@contextmanager
def _socket_folder() -> Iterator[Path]:
    """Yield a temporary folder for sockets; its path is short, since that of a socket may have 107 bytes at most."""
    with temporary_folder(prefix="autotts-") as folder:
        script = folder / "evaluate"
        script.write_text(confinement.evaluate_script(), encoding="utf-8")
        script.chmod(0o755)
        yield folder
