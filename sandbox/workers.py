"""The host's record of one worker process, and what its exit status means. Used by `sandbox.host`."""

import os
import signal
import socket
from dataclasses import dataclass

from sandbox.inside import zygote
from sandbox.status import Status
from sandbox.streams import FrameReader, Outbox
from sandbox.worker_clock import WorkerClock


@dataclass
class Worker:
    """A forked process: its slot in the sandbox, its channel to the host, and its time."""

    slot: int
    group: int
    clock: WorkerClock
    reader: FrameReader
    channel: socket.socket | None = None
    """The host's end of the worker's channel; None where its bytes travel over the control stream (relay mode)."""
    outbox: Outbox | None = None
    """Sends over `channel`; None in relay mode."""
    closed: bool = False
    """Whether the worker has closed its channel."""
    killed: Status | None = None
    """Status of the worker's unfinished episodes if the host killed it; None if it did not."""
    killed_at: float = 0.0
    """Time of the kill by `time.monotonic`, in seconds."""
    why: str = ""
    """Reason of the kill."""


@dataclass(frozen=True)
class WorkerEvent:
    """A frame that a worker sent, or the end of a worker."""

    worker: Worker
    frame: bytes | None
    """None for the end of a worker."""
    status: Status | None = None
    """Status of the episodes that an ended worker left unfinished; None for a frame."""
    why: str = ""
    by_system: bool = False
    """Whether the kernel killed the worker for lack of memory, which other workers may have used."""


def ended(worker: Worker, code: int, exit_status_or_signal: int) -> WorkerEvent:
    """Return the event for a worker's end.

    Args:
        worker: The worker that ended.
        code: `si_code` of waitid(2): CLD_EXITED, or another for an end by signal.
        exit_status_or_signal: `si_status` of waitid(2).
    """
    exit_status, signal_number = (exit_status_or_signal, 0) if code == os.CLD_EXITED else (0, exit_status_or_signal)
    status, why = _status(worker, exit_status, signal_number)
    by_system = worker.killed is None and signal_number == signal.SIGKILL
    return WorkerEvent(worker, None, status, why, by_system)


def _status(worker: Worker, exit_status: int, signal_number: int) -> tuple[Status, str]:
    """Return the status of the episodes that the worker left unfinished, and the reason."""
    if worker.killed is not None:
        return worker.killed, worker.why
    if exit_status == zygote.OUT_OF_MEMORY_EXIT:
        return Status.OUT_OF_MEMORY, "MemoryError in the worker"
    if signal_number == signal.SIGKILL:
        return Status.OUT_OF_MEMORY, "the worker was killed by the system, as it is for want of memory"
    if signal_number == signal.SIGXCPU:
        return Status.TIMEOUT, "the repeat used up its processor time (limit repeat_seconds)"
    how = f"by signal {signal_number}" if signal_number else f"with exit status {exit_status}"
    return Status.PROTOCOL_ERROR, f"the worker ended {how} before its episodes were answered"
