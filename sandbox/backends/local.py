"""A zygote that runs as a process of this machine, with a socket for control and a pipe for what candidates print."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.backends.base import Received, SandboxUnavailable
from sandbox.backends.cgroups import Group
from sandbox.streams import Outbox

KEPT_OUTPUT = 4096

_COLLECT_SECONDS = 1.0

_ENTER = (
    "/bin/sh",
    "-c",
    'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"',
    "sh",
)
"""Goes into control groups before it becomes the command, so that nothing of the command is ever outside."""


class LocalRunning:
    """A started command whose standard input and output are one socket (`sandbox.backends.base.Running`)."""

    relay = False

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], group: Group | None = None, wrapped: bool = False
    ) -> None:
        """Start `command` in a session of its own, and in a control group if one is given, which ends with it.

        `wrapped` is for a command that starts the zygote as its child and ends with it. Raises SandboxUnavailable if
        it cannot be executed.
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
        """The first process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the first process runs."""
        return not self._ended and self._process.poll() is None

    @property
    def unsent(self) -> bool:
        """Whether the sandbox did not take all that is to be sent yet."""
        return bool(self._outbox)

    @property
    def sources(self) -> list[int]:
        """The control socket and the pipe."""
        return [] if self._ended else [self._control.fileno(), self._output]

    def receive(self, source: int) -> Received:
        """Take what has come in from a source."""
        if source == self._output:
            data = _read(lambda: os.read(self._output, 1 << 16))
            if data:
                self._last_words = (self._last_words + data)[:KEPT_OUTPUT]
            return Received(b"", data or b"", data == b"")
        with contextlib.suppress(OSError):  # it is gone, which reading tells too
            self._outbox.flush()
        data = _read(lambda: self._control.recv(1 << 18))
        return Received(data or b"", b"", data == b"")

    def send(self, data: bytes, descriptor: int | None = None) -> None:
        """Send bytes, and a descriptor with the first of them."""
        self._outbox.put(data, () if descriptor is None else (descriptor,))

    def kill(self) -> None:
        """Kill the session's processes and wait. In bubblewrap the end of the first ends the whole PID namespace."""
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
                self._last_words = (self._last_words + data)[:KEPT_OUTPUT]
        self._control.close()
        os.close(self._output)

    def _end_wrapped(self) -> None:
        """Kill what the command started, so that it collects it and ends by itself.

        Killed first, it would leave that to the first process of the machine, which in many a container never does.
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
        words = " ".join(self._last_words.decode("utf-8", "replace").split())[:400]
        return f"exit status {status}" + (f": {words}" if words else "")


def _read(take: Callable[[], bytes]) -> bytes | None:
    """What there is to read; None for nothing yet, empty at the end."""
    try:
        data = take()
    except BlockingIOError:
        return None
    except OSError:
        return b""
    return data
