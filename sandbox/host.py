"""The host's side of one sandbox: starts it, forks workers in it, and carries frames to and from them.

A worker is one process, forked for one job: a (grid, β, repeat), or a description of the candidate. The host never
waits on a worker without a limit, and every frame of a worker is checked before it is used (`sandbox.frame_server`).
"""

import contextlib
import json
import math
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from envdata.errors import UserError
from sandbox.backends.base import Backend, Limits, RunningSandbox, SandboxUnavailable
from sandbox.candidate import Candidate
from sandbox.inside import zygote
from sandbox.inside.wire import MAX_TEXT_FRAME, pack_text
from sandbox.sanitize import quoted
from sandbox.status import Status
from sandbox.streams import FrameReader, Malformed, Outbox
from sandbox.versions import unsupported
from sandbox.worker_clock import ClockReading, WorkerClock
from sandbox.workers import Worker, WorkerEvent, ended

MESSAGE = zygote.MESSAGE

MAX_CONTROL = 1 << 20
"""Largest message on the control stream, in bytes."""

LAUNCHES = 3
"""Attempts to start a sandbox that fails by itself, before InfrastructureError."""

START_PATIENCE = 10
"""Wall-clock time that a sandbox may take to start, in times of the limit `start_seconds`, before the next attempt."""

KILL_SECONDS = 120.0
"""Seconds of wall-clock time that a killed worker may take to end; after them its sandbox counts as failed."""


class CandidateFailed(UserError):
    """The candidate as a whole cannot be played: `status` is the status of all its episodes, `why` the reason."""

    def __init__(self, status: Status, why: str) -> None:
        """Take the status and the reason, which is quoted already."""
        super().__init__(why)
        self.status, self.why = status, why


class InfrastructureError(UserError, RuntimeError):
    """The sandbox itself failed repeatedly. This is not the candidate's fault, and is never scored."""


class _SandboxLost(Exception):
    """The sandbox ended by itself, not because of the candidate."""


class Host:
    """One candidate's sandbox, from `start` to `close`. A context manager."""

    def __init__(
        self, backend: Backend, limits: Limits, candidate: Candidate, *, frame_bytes: int = MAX_TEXT_FRAME,
        on_output: Callable[[bytes], None] | None = None,
    ) -> None:  # fmt: skip
        """Prepare a host; nothing is started before `start`.

        Args:
            backend: The isolation backend that launches the sandbox.
            limits: Limits on the candidate and on each worker.
            candidate: The controller to load.
            frame_bytes: Largest frame that a worker may send, in bytes.
            on_output: Called with what the candidate prints, as it comes; None to discard it.
        """
        self._on_output = on_output
        self._frame_bytes = max(frame_bytes, MAX_TEXT_FRAME)
        self._backend, self._limits, self._candidate = backend, limits, candidate
        self._running: RunningSandbox | None = None
        self._poll = select.poll()
        self._inbox = bytearray()
        self._printed = 0
        self._workers: dict[int, Worker] = {}
        self._by_descriptor: dict[int, Worker] = {}
        self._unsent: set[int] = set()
        """Descriptors of streams that have not yet taken all bytes to be sent."""
        self._events: deque[WorkerEvent] = deque()
        self._next_slot = 0
        self.versions: dict[str, Any] = {}
        """Versions of Python and numpy that the sandbox reported; empty before `start`."""

    def __enter__(self) -> "Host":
        """Return the host itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the sandbox."""
        self.close()

    def start(self) -> None:
        """Launch the sandbox and compile the candidate in it.

        Raises:
            CandidateFailed: The source is too long or does not compile.
            SandboxUnavailable: The backend does not work here.
            InfrastructureError: The sandbox failed by itself `LAUNCHES` times.
        """
        for attempt in range(1, LAUNCHES + 1):
            try:
                return self._launch()
            except _SandboxLost as lost:
                self.close()
                if attempt == LAUNCHES:
                    raise InfrastructureError(f"the sandbox did not start ({self._backend.name}): {lost}") from None
        return None

    def spawn(self, group: int, job: dict[str, Any]) -> Worker:
        """Fork a worker and send it its job.

        Args:
            group: The group of episodes that the worker plays.
            job: The job as JSON (`sandbox.inside.player.serve`).

        Raises:
            InfrastructureError: The sandbox is gone.
        """
        running = self._started()
        slot = self._next_slot = (self._next_slot + 1) % 65536
        worker = Worker(slot, group, WorkerClock(self._limits, time.monotonic()), FrameReader(self._frame_bytes))
        try:
            if running.relay:
                self._control(zygote.SPAWN, slot)
            else:
                ours, theirs = socket.socketpair()
                self._control(zygote.SPAWN, slot, b"", theirs.fileno())
                theirs.close()
                ours.setblocking(False)
                worker.channel, worker.outbox = ours, Outbox(ours)
                self._by_descriptor[ours.fileno()] = worker
                self._poll.register(ours, select.POLLIN)
            self._workers[slot] = worker
            self.reply(worker, pack_text(job))
        except OSError as error:
            raise InfrastructureError(f"the sandbox is gone ({error.strerror})") from None
        return worker

    def reply(self, worker: Worker, data: bytes) -> None:
        """Send a frame to a worker. A worker that is dead or does not read is ended by its time limit later."""
        worker.clock.begin_turn(time.monotonic())
        try:
            if worker.outbox is None:
                self._control(zygote.DATA, worker.slot, data)
            else:
                worker.outbox.put(data)
                self._watch(worker.outbox.descriptor, bool(worker.outbox))
        except (OSError, Malformed):
            return

    def expect(self, worker: Worker) -> None:
        """Start the time of a worker whose frame asks for no reply, and of which another frame or its end is due."""
        worker.clock.begin_turn(time.monotonic())

    def kill(self, worker: Worker, status: Status, why: str) -> None:
        """End a worker. Its end comes as an event with this status and reason."""
        if worker.killed is None:
            worker.killed, worker.why, worker.killed_at = status, why, time.monotonic()
            self._order(zygote.KILL, worker)

    def wait_for_worker(self, worker: Worker, patience: float) -> None:
        """Sleep until this worker has sent something, at most `patience` seconds. Ignores the other workers."""
        if worker.channel is not None and not self._events:
            waiting = select.poll()
            waiting.register(worker.channel, select.POLLIN)
            waiting.poll(patience * 1000)

    def wait(self, patience: float) -> Iterator[WorkerEvent]:
        """Yield the workers' events, after waiting up to `patience` seconds for the first.

        Raises:
            CandidateFailed: The candidate printed more than its limit.
            InfrastructureError: The sandbox is gone.
        """
        try:
            self._gather(patience)
        except _SandboxLost as lost:
            raise InfrastructureError(f"the sandbox ended by itself: {lost}") from None
        while self._events:
            yield self._events.popleft()

    def close(self) -> None:
        """End the sandbox and everything in it."""
        for worker in self._workers.values():
            if worker.channel is not None:
                worker.channel.close()
                worker.channel = None
        self._workers.clear()
        self._by_descriptor.clear()
        self._unsent.clear()
        self._events.clear()
        self._inbox.clear()
        if self._running is not None:
            self._take_output(self._running)
            self._running.kill()
            self._running = None
        self._poll = select.poll()

    def _take_output(self, running: RunningSandbox) -> None:
        """Pass on what was printed and not read yet, within the limit on output; it waits for nothing."""
        limit = self._limits.output_bytes
        for source in running.sources:
            while self._on_output and self._printed <= limit and (received := running.receive(source)).output:
                self._printed += len(received.output)
                self._on_output(received.output)

    def _launch(self) -> None:
        size, limit = len(self._candidate.source.encode("utf-8", "replace")), self._limits.source_bytes
        if size > limit:
            why = f"the file has {size:,} bytes of source; the limit is {limit:,} (--max-source)"
            raise CandidateFailed(Status.CONTRACT_ERROR, why)
        self._running = self._backend.launch(self._limits)
        for source in self._running.sources:
            self._poll.register(source, select.POLLIN)
        limits = self._limits.for_worker()
        compiling = limits | {"cpu": math.ceil(self._limits.start_seconds)}
        request = {"source": self._candidate.source, "limits": limits, "compiling": compiling}
        try:
            self._control(zygote.LOAD, 0, json.dumps(request).encode())
        except OSError as error:
            raise _SandboxLost(f"{error.strerror}; {self._end()}") from None
        patience = min(START_PATIENCE * self._limits.start_seconds, self._limits.wall_seconds)
        deadline = time.monotonic() + patience
        while not self.versions:
            if time.monotonic() > deadline:
                raise _SandboxLost(f"it did not start within {patience:g} s")
            self._gather(0.5)

    def _started(self) -> RunningSandbox:
        if self._running is None:
            raise InfrastructureError("the sandbox is not running")
        return self._running

    def _control(self, kind: int, slot: int, payload: bytes = b"", descriptor: int | None = None) -> None:
        running = self._started()
        running.send(MESSAGE.pack(len(payload), kind, slot) + payload, descriptor)
        self._watch(running.sources[0], running.unsent)

    def _order(self, kind: int, worker: Worker, payload: bytes = b"") -> None:
        """Send the zygote a message about a worker. If the zygote is gone, reading its stream will show it."""
        with contextlib.suppress(OSError):
            self._control(kind, worker.slot, payload)

    def _watch(self, descriptor: int, unsent: bool) -> None:
        """Poll a stream for writing too, as long as bytes wait to be sent over it."""
        if unsent and descriptor not in self._unsent:
            self._unsent.add(descriptor)
            self._poll.modify(descriptor, select.POLLIN | select.POLLOUT)
        elif not unsent and descriptor in self._unsent:
            self._unsent.remove(descriptor)
            self._poll.modify(descriptor, select.POLLIN)

    def _gather(self, patience: float) -> None:
        """Read all streams that have data, and check the workers' times."""
        running = self._started()
        for descriptor, _ in self._poll.poll(patience * 1000):
            worker = self._by_descriptor.get(descriptor)
            if worker is not None:
                self._read_worker(worker)
                continue
            received = running.receive(descriptor)
            self._watch(running.sources[0], running.unsent)
            if received.output:
                self._printed += len(received.output)
                if self._on_output is not None:
                    self._on_output(received.output)
                if self._printed > (limit := self._limits.output_bytes):
                    raise CandidateFailed(Status.OUTPUT_LIMIT, f"printed more than {limit} bytes (limit output_bytes)")
            if received.control:
                self._inbox += received.control
                try:
                    self._read_control()
                except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
                    raise _SandboxLost(f"a malformed control message ({type(error).__name__}: {error})") from None
            if received.closed:
                raise _SandboxLost(self._end())
        self._check_clocks()

    def _end(self) -> str:
        running = self._started()
        running.kill()
        return quoted(running.explain())

    def _read_worker(self, worker: Worker) -> None:
        assert worker.channel is not None  # noqa: S101 - in `_by_descriptor`
        assert worker.outbox is not None  # noqa: S101
        try:
            worker.outbox.flush()
            self._watch(worker.outbox.descriptor, bool(worker.outbox))
            data = worker.channel.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._feed(worker, data)
        else:
            self._hang_up(worker)

    def _feed(self, worker: Worker, data: bytes) -> None:
        if worker.killed is not None:
            return
        began = time.thread_time()
        try:
            frame = worker.reader.feed(data)
        except Malformed as error:
            self.kill(worker, Status.PROTOCOL_ERROR, f"the worker sent a malformed frame: {error}")
            return
        finally:
            # Measured here, so that bytes that a relay carries are charged like those of a channel.
            worker.clock.host += time.thread_time() - began
        if frame is not None:
            worker.clock.end_turn(time.monotonic())
            self._events.append(WorkerEvent(worker, frame))

    def _hang_up(self, worker: Worker) -> None:
        """Drop the channel that the worker closed. Its exit status follows."""
        worker.closed = True
        if worker.channel is not None:
            self._poll.unregister(worker.channel)
            del self._by_descriptor[worker.channel.fileno()]
            self._unsent.discard(worker.channel.fileno())
            worker.channel.close()
            worker.channel = None

    def _read_control(self) -> None:
        while len(self._inbox) >= MESSAGE.size:
            size, kind, slot = MESSAGE.unpack_from(self._inbox)
            if size > MAX_CONTROL:
                raise _SandboxLost(f"a control message of {size} bytes")
            if len(self._inbox) < MESSAGE.size + size:
                return
            payload = bytes(self._inbox[MESSAGE.size : MESSAGE.size + size])
            del self._inbox[: MESSAGE.size + size]
            worker = self._workers.get(slot)
            if kind == zygote.LOADED:
                self._loaded(payload)
            elif kind == zygote.EXIT and worker is not None:
                self._exited(worker, *zygote.ENDING.unpack(payload))
            elif kind == zygote.DATA and worker is not None:
                self._feed(worker, payload)
            elif kind == zygote.CLOSED and worker is not None:
                worker.closed = True
            elif kind == zygote.LOOK and worker is not None:
                self._take_measurement(worker, payload)

    def _loaded(self, payload: bytes) -> None:
        versions = json.loads(payload)
        if not isinstance(versions, dict) or not versions:
            raise ValueError("LOADED without versions")
        wrong = unsupported(versions)
        if wrong is not None:
            raise SandboxUnavailable(wrong)
        self.versions = versions
        if "status" in versions:
            raise CandidateFailed(Status(self.versions["status"]), quoted(self.versions["why"]))

    def _exited(self, worker: Worker, code: int, status_or_signal: int) -> None:
        if worker.channel is not None:
            # Bytes that it sent before its end may not have been read yet.
            self._read_worker(worker)
            if worker.channel is not None:
                self._hang_up(worker)
        del self._workers[worker.slot]
        self._events.append(ended(worker, code, status_or_signal))

    def _take_measurement(self, worker: Worker, payload: bytes) -> None:
        if worker.killed is not None:
            return
        reading = None
        if payload:
            before, before_ns, after, after_ns, burnt, burnt_ns = zygote.LOOKED.unpack(payload)
            reading = ClockReading(before + 1e-9 * before_ns, after + 1e-9 * after_ns, burnt + 1e-9 * burnt_ns)
        passed = worker.clock.take(reading, time.monotonic())
        if passed is not None:
            self.kill(worker, Status.TIMEOUT, passed)

    def _check_clocks(self) -> None:
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.killed is not None:
                if now - worker.killed_at > KILL_SECONDS:
                    raise _SandboxLost(f"a worker that was killed did not end within {KILL_SECONDS:g} s; {self._end()}")
            elif worker.clock.turn is not None and now - worker.clock.turn > self._limits.wall_seconds:
                why = f"a worker did not act within {self._limits.wall_seconds:g} s (limit wall_seconds)"
                raise _SandboxLost(f"{why}; {self._end()}")
            elif (passed := worker.clock.passed()) is not None:
                self.kill(worker, Status.TIMEOUT, passed)
            elif (closely := worker.clock.ask(now)) is not None:
                self._order(zygote.LOOK, worker, bytes([closely]))
