"""A sandbox that runs as a local process, with a socket for control and a pipe for the candidate's output."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.backends.base import Received, SandboxUnavailable
from sandbox.backends.cgroups import ControlGroup
from sandbox.streams import Outbox

KEPT_OUTPUT = 4096

_COLLECT_SECONDS = 1.0

_ENTER = (
    "/bin/sh",
    "-c",
    'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"',
    "sh",
)
"""Shell command that enters control groups before it executes the sandbox's command, which so never runs outside."""


class LocalRunning:
    """A started command whose standard input and output are one socket (`sandbox.backends.base.Running`)."""

    relay = False

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        group: ControlGroup | None = None,
        wrapped: bool = False,
    ) -> None:
        """Start `command` in a new session.

        Args:
            command: Program and arguments.
            environment: The whole environment.
            group: Control group to start it in, which is removed at its end; None for none.
            wrapped: Whether the command starts the zygote as its child, and ends with it.

        Raises:
            SandboxUnavailable: The command cannot be executed.
        """
        self._group, self._wrapped = group, wrapped
        if group is not None:
            command = [*_ENTER, str(len(group.doors)), *group.doors, *command]
        ours, theirs = socket.socketpair()
        output, printed = os.pipe()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=printed,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            os.close(output)
            if group is not None:
                group.remove()
            raise SandboxUnavailable(f"{command[0]} cannot be started: {error.strerror}") from None
        finally:
            theirs.close()
            os.close(printed)
        ours.setblocking(False)
        os.set_blocking(output, False)
        self._control, self._output = ours, output
        self._outbox = Outbox(ours)
        self._last_words = b""
        self._ended = False

    @property
    def pid(self) -> int:
        """Process id of the command."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the command runs."""
        return not self._ended and self._process.poll() is None

    @property
    def unsent(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._outbox)

    @property
    def sources(self) -> list[int]:
        """Descriptors of the control socket and of the output pipe."""
        return [] if self._ended else [self._control.fileno(), self._output]

    def receive(self, source: int) -> Received:
        """Return the bytes received from a source."""
        if source == self._output:
            data = _read(lambda: os.read(self._output, 1 << 16))
            if data:
                self._last_words = (self._last_words + data)[-KEPT_OUTPUT:]
            return Received(b"", data or b"", data == b"")
        with contextlib.suppress(OSError):  # it has ended, which reading shows too
            self._outbox.flush()
        data = _read(lambda: self._control.recv(1 << 18))
        return Received(data or b"", b"", data == b"")

    def send(self, data: bytes, descriptor: int | None = None) -> None:
        """Send bytes, and a descriptor with the first byte."""
        self._outbox.put(data, () if descriptor is None else (descriptor,))

    def kill(self) -> None:
        """Kill the session's processes and wait. In bubblewrap, the first one's end ends the whole PID namespace."""
        if self._ended:
            return
        self._ended = True
        if self._wrapped:
            self._end_wrapped()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._group is not None:
            self._group.remove()
        with contextlib.suppress(OSError):
            while data := _read(lambda: os.read(self._output, 1 << 16)):
                self._last_words = (self._last_words + data)[-KEPT_OUTPUT:]
        self._control.close()
        os.close(self._output)

    def _end_wrapped(self) -> None:
        """Kill the command's children, so that it reaps them and ends by itself.

        If it were killed first, process 1 would have to reap them, which in many containers it never does.
        """
        pid = self._process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGKILL)
            if children:
                self._process.wait(_COLLECT_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return

    def explain(self) -> str:
        """The exit status, and the last of what was printed."""
        status = self._process.poll()
        words = " ".join(self._last_words.decode("utf-8", "replace").split())[-400:]
        return f"exit status {status}" + (f": {words}" if words else "")


def _read(take: Callable[[], bytes]) -> bytes | None:
    """Return the bytes that can be read; None if there are none yet, empty at the end of the stream."""
    try:
        data = take()
    except BlockingIOError:
        return None
    except OSError:
        return b""
    return data
