"""The host of one candidate: starts its sandbox, keeps several workers in flight, and serves them.

A worker is one process, forked for one job: a (grid, β, repeat), or a description of the candidate. The host never
waits on a worker without a limit, and takes nothing a worker says on trust (`sandbox.serving`).
"""

import json
import select
import signal
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.backends.base import Backend, Limits, Running, SandboxUnavailable
from sandbox.candidate import Candidate
from sandbox.inside import zygote
from sandbox.inside.wire import HEADER, MAX_FRAME, pack_text
from sandbox.quoting import quoted
from sandbox.status import Status
from sandbox.streams import FrameReader, Malformed, Outbox
from sandbox.versions import unsupported

MESSAGE = zygote.MESSAGE

LAUNCHES = 3
"""How often a sandbox that fails by itself is started again before the run gives up."""

KILL_SECONDS = 20.0
"""How long a worker that was killed may take to end before its sandbox counts as broken."""


class CandidateFailed(Exception):
    """The candidate as a whole can go no further."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class InfrastructureError(RuntimeError):
    """The sandbox itself failed, again and again; nothing is said about the candidate."""


class _Lost(Exception):
    """The sandbox ended although the candidate gave no reason for it."""


@dataclass
class Worker:
    """A forked process, and what the host knows of it."""

    slot: int
    group: int
    started: float
    waited_since: float
    """When it last got something to work on, by `time.monotonic`."""
    reader: FrameReader = field(default_factory=FrameReader)
    channel: socket.socket | None = None
    """The host's end of the worker's channel; None where bytes travel over the control stream."""
    outbox: Outbox | None = None
    closed: bool = False
    killed: Status | None = None
    """Why the host killed it, if it did."""
    killed_at: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class Event:
    """Something a worker did: a frame it sent, or its end."""

    worker: Worker
    frame: bytes | None
    status: Status | None = None
    """How it ended; None for a frame."""
    why: str = ""
    by_system: bool = False
    """Whether the system killed it, which was short of memory: perhaps because of others."""


class Host:
    """One candidate's sandbox, from launch to `close`. A context manager."""

    def __init__(
        self, backend: Backend, limits: Limits, candidate: Candidate, *, open_files: int = Limits.OPEN_FILES
    ) -> None:
        """Nothing is started before `start`. Each worker may have `open_files`."""
        self._open_files = open_files
        self._backend, self._limits, self._candidate = backend, limits, candidate
        self._running: Running | None = None
        self._poll = select.poll()
        self._inbox = bytearray()
        self._printed = 0
        self._workers: dict[int, Worker] = {}
        self._by_descriptor: dict[int, Worker] = {}
        self._unsent: set[int] = set()
        """Descriptors of streams that did not take all that is to be sent."""
        self._events: deque[Event] = deque()
        self._next_slot = 0
        self.versions: dict[str, Any] = {}
        """What the sandbox said of its Python and numpy."""

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Launch the sandbox, compile. Raises CandidateFailed, SandboxUnavailable, InfrastructureError."""
        for attempt in range(1, LAUNCHES + 1):
            try:
                return self._launch()
            except _Lost as lost:
                self.close()
                if attempt == LAUNCHES:
                    raise InfrastructureError(f"the sandbox did not start ({self._backend.name}): {lost}") from None
        return None

    def spawn(self, group: int, job: dict[str, Any]) -> Worker:
        """Fork a worker for a job. Raises InfrastructureError if the sandbox is gone."""
        running = self._started()
        slot = self._next_slot = (self._next_slot + 1) % 65536
        now = time.monotonic()
        worker = Worker(slot, group, now, now)
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

    @property
    def relay(self) -> bool:
        """Whether workers are reached through the control stream alone, so that no descriptor can be handed to them."""
        return self._started().relay

    def reply(self, worker: Worker, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a frame to a worker; one that is dead or does not read is found out by its deadline."""
        worker.waited_since = time.monotonic()
        try:
            if worker.outbox is None:
                self._control(zygote.DATA, worker.slot, data)
            else:
                worker.outbox.put(data, descriptors)
                self._watch(worker.outbox.descriptor, bool(worker.outbox))
        except (OSError, Malformed):
            return

    def kill(self, worker: Worker, status: Status, why: str) -> None:
        """End a worker; its end comes as an event with this status."""
        if worker.killed is None:
            worker.killed, worker.why, worker.killed_at = status, why, time.monotonic()
            self._control(zygote.KILL, worker.slot)

    def let_act(self, worker: Worker, patience: float) -> None:
        """Sleep until a worker has said something, `patience` seconds at most; what the others say wakes nobody."""
        if worker.channel is not None and not self._events:
            waiting = select.poll()
            waiting.register(worker.channel, select.POLLIN)
            waiting.poll(patience * 1000)

    def wait(self, patience: float) -> Iterator[Event]:
        """What happened, after waiting up to `patience` seconds for something.

        Raises CandidateFailed for what concerns all workers, InfrastructureError if the sandbox is gone.
        """
        try:
            self._gather(patience)
        except _Lost as lost:
            raise InfrastructureError(f"the sandbox ended by itself: {lost}") from None
        while self._events:
            yield self._events.popleft()

    def close(self) -> None:
        """End the sandbox and everything in it."""
        for worker in self._workers.values():
            if worker.channel is not None:
                worker.channel.close()
        self._workers.clear()
        self._by_descriptor.clear()
        self._unsent.clear()
        self._events.clear()
        self._inbox.clear()
        if self._running is not None:
            self._running.kill()
            self._running = None
        self._poll = select.poll()

    def _launch(self) -> None:
        self._running = self._backend.launch(self._limits)
        for source in self._running.sources:
            self._poll.register(source, select.POLLIN)
        request = {"source": self._candidate.source, "limits": self._limits.for_worker(self._open_files)}
        try:
            self._control(zygote.LOAD, 0, json.dumps(request).encode())
        except OSError as error:
            raise _Lost(f"{error.strerror}; {self._end()}") from None
        deadline = time.monotonic() + self._limits.start_seconds
        while not self.versions:
            if time.monotonic() > deadline:
                seconds = self._limits.start_seconds
                raise CandidateFailed(
                    Status.TIMEOUT, f"the file was not compiled in {seconds:g} s (limit start_seconds)"
                )
            self._gather(0.5)

    def _started(self) -> Running:
        if self._running is None:
            raise InfrastructureError("the sandbox is not running")
        return self._running

    def _control(self, kind: int, slot: int, payload: bytes = b"", descriptor: int | None = None) -> None:
        running = self._started()
        running.send(MESSAGE.pack(len(payload), kind, slot) + payload, descriptor)
        self._watch(running.sources[0], running.unsent)

    def _watch(self, descriptor: int, unsent: bool) -> None:
        """Wake up when a stream takes more, as long as something waits to be sent over it."""
        if unsent and descriptor not in self._unsent:
            self._unsent.add(descriptor)
            self._poll.modify(descriptor, select.POLLIN | select.POLLOUT)
        elif not unsent and descriptor in self._unsent:
            self._unsent.remove(descriptor)
            self._poll.modify(descriptor, select.POLLIN)

    def _gather(self, patience: float) -> None:
        """Read what there is, and look at the clock."""
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
                if self._printed > self._limits.output_bytes:
                    limit = self._limits.output_bytes
                    raise CandidateFailed(Status.OUTPUT_LIMIT, f"printed more than {limit} bytes (limit output_bytes)")
            if received.control:
                self._inbox += received.control
                try:
                    self._read_control()
                except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
                    raise _Lost(f"a control message that makes no sense ({type(error).__name__}: {error})") from None
            if received.closed:
                raise _Lost(self._end())
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
        try:
            frame = worker.reader.feed(data)
        except Malformed as error:
            self.kill(worker, Status.PROTOCOL_ERROR, f"the worker sent a malformed frame: {error}")
            return
        if frame is not None:
            self._events.append(Event(worker, frame))

    def _hang_up(self, worker: Worker) -> None:
        """The worker closed its channel; its exit status follows, or is forced."""
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
            if size > MAX_FRAME:
                raise _Lost(f"a control message of {size} bytes")
            if len(self._inbox) < MESSAGE.size + size:
                return
            payload = bytes(self._inbox[MESSAGE.size : MESSAGE.size + size])
            del self._inbox[: MESSAGE.size + size]
            worker = self._workers.get(slot)
            if kind == zygote.LOADED:
                self._loaded(payload)
            elif kind == zygote.EXIT and worker is not None:
                self._exited(worker, struct.unpack("<i", payload)[0])
            elif kind == zygote.DATA and worker is not None:
                self._feed(worker, payload)
            elif kind == zygote.CLOSED and worker is not None:
                worker.closed = True

    def _loaded(self, payload: bytes) -> None:
        said = json.loads(payload)
        if not isinstance(said, dict) or not said:
            raise ValueError("LOADED without versions")
        wrong = unsupported(said)
        if wrong is not None:
            raise SandboxUnavailable(wrong)
        self.versions = said
        if "status" in said:
            raise CandidateFailed(Status(self.versions["status"]), quoted(self.versions["why"]))

    def _exited(self, worker: Worker, wait_status: int) -> None:
        if worker.channel is not None:
            # What it sent before its end may still be on its way.
            self._read_worker(worker)
            if worker.channel is not None:
                self._hang_up(worker)
        del self._workers[worker.slot]
        status, why = _ending(worker, wait_status)
        by_system = worker.killed is None and wait_status & 0x7F == signal.SIGKILL
        self._events.append(Event(worker, None, status, why, by_system))

    def _check_clocks(self) -> None:
        now = time.monotonic()
        limits = self._limits
        for worker in self._workers.values():
            if worker.killed is not None:
                if now - worker.killed_at > KILL_SECONDS:
                    raise _Lost(f"a worker that was killed did not end within {KILL_SECONDS:g} s; {self._end()}")
            elif now - worker.waited_since > limits.reply_seconds:
                why = f"did not act within {limits.reply_seconds:g} s (limit reply_seconds)"
                self.kill(worker, Status.TIMEOUT, why)
            elif now - worker.started > limits.repeat_seconds:
                why = f"the repeat took more than {limits.repeat_seconds:g} s (limit repeat_seconds)"
                self.kill(worker, Status.TIMEOUT, why)


def _ending(worker: Worker, wait_status: int) -> tuple[Status, str]:
    """What a worker's exit means for the episodes that it leaves unfinished."""
    if worker.killed is not None:
        return worker.killed, worker.why
    signal_number, code = wait_status & 0x7F, wait_status >> 8
    if code == 71:
        return Status.OUT_OF_MEMORY, "MemoryError in the worker"
    if signal_number == 9:
        return Status.OUT_OF_MEMORY, "the worker was killed by the system, as it is for want of memory"
    if signal_number == 24:
        return Status.TIMEOUT, "the worker used up its processor time"
    how = f"by signal {signal_number}" if signal_number else f"with exit status {code}"
    return Status.PROTOCOL_ERROR, f"the worker ended {how} before its episodes were answered"


def read_text_frame(frame: bytes) -> Any | None:
    """The JSON value of a frame of text alone, None for a frame with calls. Raises Malformed."""
    calls, branches, text, _ = HEADER.unpack_from(frame)
    if calls or not text:
        return None
    try:
        value = json.loads(frame[HEADER.size + branches * 4 :])
    except (ValueError, RecursionError) as error:
        raise Malformed(f"text that is not JSON: {type(error).__name__}") from None
    return value
