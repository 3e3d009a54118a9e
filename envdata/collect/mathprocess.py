"""The near end of the process that reads mathematical answers (`envdata.collect.mathworker`)."""

import contextlib
import json
import subprocess
import sys
import threading
from typing import Any

from envdata.collect.engine import CollectError


class MathProcess:
    """Starts the process when it is first needed, and again whenever a request was too much for it.

    May be used from several threads. A context manager; closing ends the process.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self.given_up = 0
        """Requests that were too much for the process, so far."""
        self._versions: dict[str, str] | None = None

    def __enter__(self) -> "MathProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def versions(self) -> dict[str, str]:
        """Versions of the packages that decide how answers are read. Raises CollectError if they are missing."""
        with self._lock:
            self._started()
            assert self._versions is not None  # noqa: S101 - set by starting
            return self._versions

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The reply to a request, or None if answering it took more time or memory than one answer is worth."""
        with self._lock:
            process = self._started()
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101
            try:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = ""
            if not line:
                self._end()
                self.given_up += 1
                return None
            reply: dict[str, Any] = json.loads(line)
            self.given_up += not reply
            return reply or None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None:
            return self._process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "envdata.collect.mathworker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # Out of reach of a terminal's Ctrl-C: it ends when its input does.
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
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
