"""Client of the process that reads mathematical answers (`envdata.collect.math_verify_worker`)."""

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from envdata.collect.engine import CollectError

# Not `-m`: that looks for modules in the present folder first, where a user's files may have the names of ours.
_START = (
    f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); "
    "from envdata.collect.math_verify_worker import main; main()"
)


class MathVerifyProcess:
    """Starts the process when it is first needed, and again after a request exceeded its limits.

    May be used from several threads. A context manager; closing it ends the process.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self.given_up = 0
        """Number of requests so far that exceeded the process's limits."""
        self._versions: dict[str, str] | None = None

    def __enter__(self) -> "MathVerifyProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that decide how answers are read.

        Raises CollectError if a package is missing.
        """
        with self._lock:
            self._started()
            assert self._versions is not None  # noqa: S101 - set by starting
            return self._versions

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return the reply to a request, or None if it exceeds the limits on time or memory.

        A request that fails is repeated once in a fresh process: no reply depends on the requests before it.
        """
        with self._lock:
            reply = self._ask(request) or self._ask(request)
            self.given_up += reply is None
            return reply

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return the reply to a request, or None, after which the process has ended."""
        process = self._started()
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        reply: dict[str, Any] = json.loads(line) if line else {}
        if not reply:
            self._end()
        return reply or None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[str]:
        """Return the running process. Raises CollectError if it cannot start."""
        if self._process is not None:
            return self._process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # A session of its own: Ctrl-C does not reach it, and it ends when its input does.
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        hello = json.loads(self._process.stdout.readline() or "{}")
        if "versions" not in hello:
            self._end()
            raise CollectError(
                f"mathematical answers cannot be read ({hello.get('error', 'the reading process does not start')}); "
                "pip install 'autotts[questions]', or take --answers number or --answers exact"
            )
        self._versions = hello["versions"]
        return self._process

    def _end(self) -> None:
        """End the process and close its pipes."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
