"""The first process in a sandbox: compiles the candidate, and forks a worker for every job. Runs no candidate code.

It is told what to do over standard input and answers on standard output, in messages of an 8-byte header (payload
bytes, kind, slot) and a payload. A worker talks to the host over a socket of its own: in *direct* mode the host hands
one end of it along with SPAWN; in *relay* mode (where only standard streams reach into the sandbox) the zygote carries
the bytes between the two as DATA messages.

What a candidate prints goes to standard error, where the host counts and caps it.
"""

import ast
import contextlib
import gc
import os
import resource
import selectors
import signal
import socket
import struct
import sys
from types import CodeType
from typing import Any

from sandbox.inside import player, seccomp, wire

MESSAGE = struct.Struct("<IHH")
LOAD, SPAWN, KILL, DATA, EXIT, LOADED, CLOSED = range(1, 8)
MAX_MESSAGE = 1 << 24

PRELOADED = ("numpy", "scipy", "scipy.stats", "scipy.special")
"""Modules that are imported before the fork where the candidate names them: they take long."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


class Zygote:
    """Serves one host until it closes the control stream."""

    def __init__(self, control_in: int, control_out: int, *, relay: bool) -> None:
        self._control_out = control_out
        self._relay = relay
        self._socket = None if relay else socket.socket(fileno=os.dup(control_in))
        self._control_in = control_in
        self._code: CodeType | None = None
        self._limits: dict[str, int] = {}
        self._slots: dict[int, int] = {}
        """Slot by process."""
        self._relayed: dict[int, socket.socket] = {}
        """The zygote's end of each worker's channel, in relay mode."""
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve until the control stream ends, then kill what is left."""
        wake_in, wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
        self._selector.register(wake_in, selectors.EVENT_READ, "child")
        self._selector.register(self._control_in, selectors.EVENT_READ, "control")
        with contextlib.suppress(wire.Closed):
            while True:
                for key, _ in self._selector.select():
                    if key.data == "child":
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake_in, 4096)
                        self._reap()
                    elif key.data == "control":
                        self._obey()
                    else:
                        self._forward(key.data)
        for pid in self._slots:
            os.kill(pid, signal.SIGKILL)

    def _obey(self) -> None:
        header, descriptors = self._read_header()
        size, kind, slot = MESSAGE.unpack(header)
        payload = wire.read_exactly(self._control_in, size)
        if kind == LOAD:
            self._load(payload)
        elif kind == SPAWN:
            self._spawn(slot, descriptors)
        elif kind == KILL:
            for pid, own in self._slots.items():
                if own == slot:
                    os.kill(pid, signal.SIGKILL)
        elif kind == DATA and slot in self._relayed:
            with contextlib.suppress(OSError):
                self._relayed[slot].sendall(payload)

    def _read_header(self) -> tuple[bytes, list[int]]:
        """The next header; descriptors that travel with a message arrive with its first byte."""
        if self._socket is None:
            return wire.read_exactly(self._control_in, MESSAGE.size), []
        data, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE.size, 1)
        if not data:
            raise wire.Closed
        return data + wire.read_exactly(self._control_in, MESSAGE.size - len(data)), descriptors

    def _load(self, payload: bytes) -> None:
        request: dict[str, Any] = wire.json.loads(payload)
        self._limits = request["limits"]
        broken = None
        try:
            self._code = player.compile_candidate(request["source"])
            _preload(request["source"])
        except player.Broken as error:
            broken = error
        # What the workers share stays shared: the collector must not touch it after a fork.
        gc.collect()
        gc.freeze()
        self._say(LOADED, 0, player.loaded_message(broken))

    def _spawn(self, slot: int, descriptors: list[int]) -> None:
        if self._relay:
            ours, theirs = socket.socketpair()
            channel = theirs.detach()
        else:
            channel = descriptors[0]
        pid = os.fork()
        if pid == 0:
            self._become_worker(channel)
        os.close(channel)
        self._slots[pid] = slot
        if self._relay:
            self._relayed[slot] = ours
            self._selector.register(ours, selectors.EVENT_READ, slot)

    def _become_worker(self, channel: int) -> None:
        """Never returns: confines this new process, plays its job, and exits."""
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            # Keep 0, 1 and 2 (nothing, and what is printed); the channel becomes 3; the rest is closed.
            os.dup2(channel, 3)
            os.closerange(4, 256)
            _limit(self._limits)
            assert self._code is not None  # noqa: S101 - SPAWN comes after a LOADED without error
            player.serve(3, self._code)
            status = 0
        except wire.Closed:
            status = 0
        except MemoryError:
            status = 71
        except BaseException as error:
            os.write(2, player.describe_error(error).encode()[:500])
        finally:
            os._exit(status)

    def _forward(self, slot: int) -> None:
        try:
            data = self._relayed[slot].recv(1 << 16)
        except OSError:
            data = b""
        if data:
            self._say(DATA, slot, data)
        else:
            self._drop(slot)
            self._say(CLOSED, slot, b"")

    def _drop(self, slot: int) -> None:
        ours = self._relayed.pop(slot, None)
        if ours is not None:
            self._selector.unregister(ours)
            ours.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            slot = self._slots.pop(pid, None)
            if slot is not None:
                while slot in self._relayed:
                    self._forward(slot)
                self._say(EXIT, slot, struct.pack("<i", status))

    def _say(self, kind: int, slot: int, payload: bytes) -> None:
        wire.write_all(self._control_out, MESSAGE.pack(len(payload), kind, slot) + payload)


def _preload(source: str) -> None:
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    for module in PRELOADED:
        if module in named:
            # One that is not installed is the candidate's own import error, later.
            with contextlib.suppress(ImportError):
                __import__(module)


def _limit(limits: dict[str, int]) -> None:
    """Take from this process, for good, what a worker does not need."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if kind is not None:
            resource.setrlimit(kind, (value, value))
    if sys.platform == "linux":
        libc = seccomp.ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # /proc/<pid>/mem and its like are then closed to the siblings, who are the same user.
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        seccomp.confine()


def main() -> None:
    """Take over the standard streams, so that nothing a candidate prints reaches the host's ears, and serve."""
    control_in, control_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    Zygote(control_in, control_out, relay="--relay" in sys.argv).run()


if __name__ == "__main__":
    main()
