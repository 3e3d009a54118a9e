"""The process that compiles the candidate and forks a worker for every job. It runs no candidate code.

The host controls it over a socket, in messages of an 8-byte header (payload bytes, kind, slot) and a payload. A worker
communicates over a socket of its own, one end of which comes with SPAWN. The zygote never holds the bytes on that
socket, nor the exit status of a worker, because each worker is a copy of the zygote's memory. Where only standard
streams reach into the sandbox, another process relays between it and the host (`sandbox.inside.relay`).

A candidate's output goes to standard error, where the host counts and limits it.
"""

import _signal  # type: ignore[import-not-found]
import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from types import CodeType
from typing import Any, NoReturn

from sandbox.inside import player, scipy_special, wire
from sandbox.inside.confinement import Confinement, resource_limits, switched_off
from sandbox.inside.errors import BrokenCandidate, describe_error
from sandbox.status import Status

MESSAGE = struct.Struct("<IHH")
LOAD, SPAWN, KILL, DATA, EXIT, LOADED, CLOSED, LOOK = range(1, 9)
ENDING = struct.Struct("<2i")
"""Payload of EXIT: `si_code` of waitid(2) (CLD_EXITED or another), and the worker's exit status or signal."""

LOOKED = struct.Struct("@6l")
"""Payload of the answer to LOOK: a worker's processor time before and after the zygote used some, and the zygote's;
each as seconds and nanoseconds. Empty where the system does not provide it."""
_BURN = 0.02
"""Processor time that the zygote uses for a close LOOK, in seconds: several time slices of the scheduler."""

PRELOADED = ("numpy", "scipy", "scipy.stats", "scipy.special")
"""Modules that are imported before the fork if the candidate names them, because their import takes long."""

_FAILED, OUT_OF_MEMORY_EXIT = 70, 71
"""Exit statuses of a worker."""
_COLLECT_AFTER = 50_000
"""Threshold of the garbage collector in a worker: net allocations before a collection."""
_MANY = 1 << 16
"""More descriptors than the zygote ever has open."""


class _End(ctypes.Structure):
    """`siginfo_t` of a child that has ended, as filled by waitid(2)."""

    _fields_ = (
        ("signal", ctypes.c_int),
        ("error", ctypes.c_int),
        ("code", ctypes.c_int),
        *((("padding", ctypes.c_int),) if sys.platform == "linux" else ()),
        ("pid", ctypes.c_int),
        ("user", ctypes.c_uint),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 128),
    )


class _Time(ctypes.Structure):
    """`timespec`."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_ALL_CHILDREN = 0
"""P_ALL of waitid(2)."""


class Zygote:
    """Serves one host until it closes the control socket."""

    def __init__(self, control: int, without: frozenset[str] = frozenset()) -> None:
        """Serve the control socket with descriptor `control`; `without` names defences to leave out in tests."""
        self._without = without
        self._socket = socket.socket(fileno=control)
        self._code: CodeType | None = None
        self._limits: list[tuple[int, int]] = []
        self._slots: dict[int, int] = {}
        """Slot of each worker, by process id."""
        self._confinement = Confinement(without)
        libc = ctypes.CDLL(None)
        self._waitid, self._gettime = libc.waitid, libc.clock_gettime
        self._end = _End()
        self._times = (_Time * 3)()
        self._unwiped: list[bytes] = []

    def run(self) -> None:
        """Serve until the control socket is closed, then kill the remaining workers."""
        selector = selectors.DefaultSelector()
        wake_in, wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
        selector.register(wake_in, selectors.EVENT_READ)
        selector.register(self._socket, selectors.EVENT_READ)
        with contextlib.suppress(wire.Closed):
            while True:
                for key, _ in selector.select():
                    if key.fd == wake_in:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake_in, 4096)
                        self._reap()
                    else:
                        self._obey()
        for pid in self._slots:
            os.kill(pid, signal.SIGKILL)

    def _obey(self) -> None:
        # A descriptor that is sent with a message arrives with its first byte.
        header, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE.size, 1)
        if not header:
            raise wire.Closed
        header += wire.read_exactly(self._socket.fileno(), MESSAGE.size - len(header))
        size, kind, slot = MESSAGE.unpack(header)
        payload = wire.read_exactly(self._socket.fileno(), size)
        if kind == LOAD:
            self._load(payload)
        elif kind == SPAWN:
            self._spawn(slot, descriptors[0])
        elif kind == KILL:
            for pid, own in self._slots.items():
                if own == slot:
                    os.kill(pid, signal.SIGKILL)
        elif kind == LOOK:
            self._look(slot, _BURN if payload[0] else 0.0)

    def _look(self, slot: int, burn: float) -> None:
        """Send the host a worker's processor time before and after this process has used `burn` seconds itself.

        The worker's times never become Python objects, which later workers could find in memory.
        """
        pid = next((pid for pid, own in self._slots.items() if own == slot), None)
        if pid is None:
            return
        # A process's clock id, as clock_getcpuclockid(3) makes it on Linux: CPUCLOCK_SCHED of the whole process.
        clock = ~pid << 3 | 2
        before, after, own = self._times
        measured = sys.platform == "linux" and self._gettime(clock, ctypes.byref(before)) == 0
        began = time.thread_time_ns()
        while measured and time.thread_time_ns() - began < burn * 1e9:
            pass
        own.nanoseconds = time.thread_time_ns() - began if burn else 0
        measured = measured and self._gettime(clock, ctypes.byref(after)) == 0
        place = memoryview(self._times).cast("B") if measured else b""
        self._socket.sendmsg([MESSAGE.pack(len(place), LOOK, slot), place])
        ctypes.memset(ctypes.byref(self._times), 0, ctypes.sizeof(self._times))

    def _load(self, payload: bytes) -> None:
        request: dict[str, Any] = json.loads(payload)
        self._limits = resource_limits(request["limits"])
        compiling = resource_limits(request["compiling"])
        broken = None
        try:
            if "trial" not in self._without:
                self._try_to_compile(request["source"], compiling)
            self._code = player.compile_candidate(request["source"])
            _preload(self._code)
        except BrokenCandidate as error:
            broken = error
        # Pages that workers share must stay shared: the collector must not write to them after a fork. Workers are
        # short-lived and few controllers make cycles, so it runs rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, 10, 10)
        self._say(LOADED, 0, player.loaded_message(broken))

    def _try_to_compile(self, source: str, limits: list[tuple[int, int]]) -> None:
        """Compile in a separate process first: a source can crash the compiler, or make it use all memory.

        Raises BrokenCandidate if that happened. Other errors in the source show when it is compiled again.
        """
        pid = os.fork()
        if pid == 0:
            self._confined(lambda: player.compile_candidate(source), limits)
        _, status = os.waitpid(pid, 0)
        signal_number, code = status & 0x7F, status >> 8
        if signal_number == signal.SIGXCPU:
            raise BrokenCandidate(
                Status.TIMEOUT, "compiling the file took too much processor time (limit start_seconds)"
            )
        if signal_number == signal.SIGKILL or code == OUT_OF_MEMORY_EXIT:
            raise BrokenCandidate(Status.OUT_OF_MEMORY, "compiling the file took too much memory")
        if signal_number:
            raise BrokenCandidate(Status.LOAD_ERROR, f"the compiler crashed over the file (signal {signal_number})")

    def _spawn(self, slot: int, channel: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_worker(channel)
        os.close(channel)
        self._slots[pid] = slot

    def _become_worker(self, channel: int) -> None:
        """Confine this new process, play its job, and exit; never returns."""

        def play() -> None:
            assert self._code is not None  # noqa: S101 - SPAWN comes after a LOADED without error
            player.serve(3, self._code)

        self._confined(play, self._limits, channel)

    def _confined(
        self, act: Callable[[], object], limits: list[tuple[int, int]], channel: int | None = None
    ) -> NoReturn:
        """Confine this new process, call `act`, and exit."""
        status = _FAILED
        try:
            # The C functions themselves: their Python wrappers would write to pages that are still shared.
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            self._confinement.enter(limits)
            # Keep 0, 1 and 2 (/dev/null, and the output pipe); the channel becomes 3; all others are closed.
            if channel is not None:
                os.dup2(channel, 3)
            if "closing" not in self._without:
                os.closerange(3 if channel is None else 4, _MANY)
            self._confinement.filter()
            act()
            status = 0
        except wire.Closed:
            status = 0
        except BrokenCandidate as broken:
            status = OUT_OF_MEMORY_EXIT if broken.status == Status.OUT_OF_MEMORY else 0
        except MemoryError:
            status = OUT_OF_MEMORY_EXIT
        except BaseException as error:
            os.write(2, describe_error(error).encode()[:500])
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Collect the workers that have ended, and send the host their exit statuses.

        A worker chooses its exit status, and could send data by it: it goes from the kernel to the host through one
        buffer that is wiped, and never becomes a Python object, which later workers could find in memory.
        """
        end, place = self._end, memoryview(self._end).cast("B")
        while self._waitid(_ALL_CHILDREN, 0, ctypes.byref(end), os.WEXITED | os.WNOHANG) == 0 and end.pid:
            slot = self._slots.pop(end.pid, None)
            if slot is not None:
                fields = (place[field.offset : field.offset + field.size] for field in (_End.code, _End.status))
                self._socket.sendmsg([MESSAGE.pack(ENDING.size, EXIT, slot), *fields])
            if "wiping" in self._without:
                # For the test: freed memory may be overwritten, this copy is not.
                self._unwiped.append(bytes(place))
            ctypes.memset(ctypes.byref(end), 0, ctypes.sizeof(end))

    def _say(self, kind: int, slot: int, payload: bytes) -> None:
        self._socket.sendall(MESSAGE.pack(len(payload), kind, slot) + payload)


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
            # A package that is not installed raises ImportError in the candidate later.
            with contextlib.suppress(ImportError):
                __import__(module)
    scipy_special.install(names)


def take_streams() -> tuple[int, int]:
    """Return duplicates of standard input and output; then connect input to /dev/null and output to standard error."""
    with contextlib.suppress(AttributeError, OSError):
        # A worker that gets its reply does not preempt the host, which has more replies to send.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    control_in, control_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return control_in, control_out


def main() -> None:
    """Serve the host; its socket is both standard input and standard output."""
    control, same = take_streams()
    os.close(same)
    Zygote(control, switched_off()).run()


if __name__ == "__main__":
    main()
