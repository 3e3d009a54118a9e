"""The first process in a sandbox: compiles the candidate, and forks a worker for every job. Runs no candidate code.

It is told what to do over standard input and answers on standard output, in messages of an 8-byte header (payload
bytes, kind, slot) and a payload. A worker talks to the host over a socket of its own: in *direct* mode the host hands
one end of it along with SPAWN; in *relay* mode (where only standard streams reach into the sandbox) the zygote carries
the bytes between the two as DATA messages.

What a candidate prints goes to standard error, where the host counts and caps it.
"""

import _signal  # type: ignore[import-not-found]
import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn

from sandbox.inside import player, special, wire
from sandbox.inside.confinement import Confinement, resource_limits, switched_off
from sandbox.inside.errors import Broken, describe_error
from sandbox.status import Status

MESSAGE = struct.Struct("<IHH")
LOAD, SPAWN, KILL, DATA, EXIT, LOADED, CLOSED = range(1, 8)
MAX_MESSAGE = 1 << 24

PRELOADED = ("numpy", "scipy", "scipy.stats", "scipy.special")
"""Modules that are imported before the fork where the candidate names them: they take long."""

_FAILED, _OUT_OF_MEMORY = 70, 71
"""Exit statuses of a worker."""
_COLLECT_AFTER = 50_000
"""Objects that a worker makes, beyond those it drops, before cycles are looked for."""
_MANY = 1 << 16
"""More descriptors than the zygote ever has."""


class Zygote:
    """Serves one host until it closes the control stream."""

    def __init__(
        self, control_in: int, control_out: int, *, relay: bool, without: frozenset[str] = frozenset()
    ) -> None:
        self._control_out = control_out
        self._without = without
        self._relay = relay
        self._socket = None if relay else socket.socket(fileno=os.dup(control_in))
        self._control_in = control_in
        self._code: CodeType | None = None
        self._limits: list[tuple[int, int]] = []
        self._slots: dict[int, int] = {}
        """Slot by process."""
        self._relayed: dict[int, socket.socket] = {}
        """The zygote's end of each worker's channel, in relay mode."""
        self._unsent: dict[int, bytearray] = {}
        """What a worker did not read yet, in relay mode. The host sends it one frame at a time."""
        self._confinement = Confinement(without)
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
                for key, events in self._selector.select():
                    if key.data == "child":
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake_in, 4096)
                        self._reap()
                    elif key.data == "control":
                        self._obey()
                    else:
                        if events & selectors.EVENT_WRITE and key.data in self._relayed:
                            self._pass_on(key.data)
                        elif key.data in self._relayed:
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
            self._unsent[slot] += payload
            self._pass_on(slot)

    def _read_header(self) -> tuple[bytes, list[int]]:
        """The next header; descriptors that travel with a message arrive with its first byte."""
        if self._socket is None:
            return wire.read_exactly(self._control_in, MESSAGE.size), []
        data, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE.size, 1)
        if not data:
            raise wire.Closed
        return data + wire.read_exactly(self._control_in, MESSAGE.size - len(data)), descriptors

    def _load(self, payload: bytes) -> None:
        request: dict[str, Any] = json.loads(payload)
        self._limits = resource_limits(request["limits"])
        broken = None
        try:
            if "trial" not in self._without:
                self._try_to_compile(request["source"])
            self._code = player.compile_candidate(request["source"])
            _preload(self._code)
        except Broken as error:
            broken = error
        # What the workers share stays shared: the collector must not touch it after a fork. They live short, and few
        # controllers make cycles: it looks for them seldom.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, 10, 10)
        self._say(LOADED, 0, player.loaded_message(broken))

    def _try_to_compile(self, source: str) -> None:
        """Compile in a process of its own first: a source can crash the compiler, or make it eat all memory.

        Raises Broken if that happened. What is wrong with the source otherwise shows when it is compiled again.
        """
        pid = os.fork()
        if pid == 0:
            self._confined(lambda: player.compile_candidate(source))
        _, status = os.waitpid(pid, 0)
        signal_number, code = status & 0x7F, status >> 8
        if signal_number == signal.SIGXCPU:
            raise Broken(Status.TIMEOUT, "compiling the file took too long")
        if signal_number == signal.SIGKILL or code == _OUT_OF_MEMORY:
            raise Broken(Status.OUT_OF_MEMORY, "compiling the file took too much memory")
        if signal_number:
            raise Broken(Status.LOAD_ERROR, f"the compiler crashed over the file (signal {signal_number})")

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
            ours.setblocking(False)
            self._relayed[slot], self._unsent[slot] = ours, bytearray()
            self._selector.register(ours, selectors.EVENT_READ, slot)

    def _become_worker(self, channel: int) -> None:
        """Never returns: confines this new process, plays its job, and exits."""

        def play() -> None:
            assert self._code is not None  # noqa: S101 - SPAWN comes after a LOADED without error
            player.serve(3, self._code)

        self._confined(play, channel)

    def _confined(self, act: Callable[[], object], channel: int | None = None) -> NoReturn:
        """Take from this new process what it does not need, act, and exit."""
        status = _FAILED
        try:
            # The C functions themselves: their wrappers' enumerations touch pages that are shared until then.
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            self._confinement.enter(self._limits)
            # Keep 0, 1 and 2 (nothing, and what is printed); the channel becomes 3; the rest is closed.
            if channel is not None:
                os.dup2(channel, 3)
            if "closing" not in self._without:
                os.closerange(3 if channel is None else 4, _MANY)
            self._confinement.filter()
            act()
            status = 0
        except wire.Closed:
            status = 0
        except Broken as broken:
            status = _OUT_OF_MEMORY if broken.status == Status.OUT_OF_MEMORY else 0
        except MemoryError:
            status = _OUT_OF_MEMORY
        except BaseException as error:
            os.write(2, describe_error(error).encode()[:500])
        finally:
            os._exit(status)

    def _pass_on(self, slot: int) -> None:
        """Give a worker what it takes of what is there for it, without waiting."""
        unsent, stream = self._unsent[slot], self._relayed[slot]
        try:
            while unsent:
                del unsent[: stream.send(unsent)]
        except BlockingIOError:
            pass
        except OSError:
            unsent.clear()
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0)
        self._selector.modify(stream, interest, slot)

    def _forward(self, slot: int) -> bool:
        """Carry what a worker has sent to the host; returns whether there may be more."""
        try:
            data = self._relayed[slot].recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._say(DATA, slot, data)
            return True
        self._drop(slot)
        self._say(CLOSED, slot, b"")
        return False

    def _drop(self, slot: int) -> None:
        ours = self._relayed.pop(slot)
        del self._unsent[slot]
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
                while slot in self._relayed and self._forward(slot):
                    pass
                if slot in self._relayed:
                    self._drop(slot)
                self._say(EXIT, slot, struct.pack("<i", status))

    def _say(self, kind: int, slot: int, payload: bytes) -> None:
        wire.write_all(self._control_out, MESSAGE.pack(len(payload), kind, slot) + payload)


def _preload(code: CodeType) -> None:
    names: set[str] = set()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        names.update(one.co_names)
        waiting += [value for value in one.co_consts if isinstance(value, CodeType)]
    for module in PRELOADED:
        package, _, part = module.partition(".")
        if module in names or (package in names and part in names):
            # One that is not installed is the candidate's own import error, later.
            with contextlib.suppress(ImportError):
                __import__(module)
    special.install(names)


def main() -> None:
    """Take over the standard streams, so that nothing a candidate prints reaches the host's ears, and serve."""
    with contextlib.suppress(AttributeError, OSError):
        # A worker that gets its reply does not push the host aside, which has more replies to send.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    control_in, control_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    Zygote(control_in, control_out, relay="--relay" in sys.argv, without=switched_off()).run()


if __name__ == "__main__":
    main()
