"""Interface of isolation backends: they start a sandbox with a zygote, connect to it, and end it."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from envdata.errors import UserError


@dataclass(frozen=True)
class Limits:
    """Limits on a candidate. Each worker (one repeat of one grid at one β) has the limits on workers to itself."""

    memory_mb: int = 512
    """Address space of a worker, in MiB."""
    reply_seconds: float = 10.0
    """Processor time of a worker from one frame to its next, in seconds; time that it sleeps counts too."""
    repeat_seconds: float = 120.0
    """Processor time of a worker for its repeat, all questions together, in seconds; time that it sleeps counts too."""
    start_seconds: float = 30.0
    """Processor time to compile the candidate, in seconds."""
    wall_seconds: float = 1800.0
    """Wall-clock time that the host waits for a worker to act, and at most for a sandbox to start, in seconds.
    Exceeding it is the host's fault: the repeat is played again, and never scored."""
    source_bytes: int = 1 << 16
    """Size of the source file in bytes: too small to hold the answers of a benchmark."""
    output_bytes: int = 1 << 20
    """Output that a candidate may print in all, in bytes."""

    def __post_init__(self) -> None:
        """Raise ValueError for a limit that is out of range."""
        for name, value in self.__dict__.items():
            if value <= 0:
                raise ValueError(f"limit {name} is {value}; give a number above 0")
        if self.memory_mb < 64:
            raise ValueError(f"limit memory_mb is {self.memory_mb}; Python itself needs 64")

    def for_worker(self) -> dict[str, int]:
        """Return a worker's resource limits (setrlimit), by lower-case name without `RLIMIT_`."""
        return {
            "as": self.memory_mb << 20,
            "cpu": math.ceil(self.repeat_seconds),
            "fsize": 0,
            "nofile": 64,
            "core": 0,
            "nproc": 0,
        }


class SandboxUnavailable(UserError, RuntimeError):
    """The requested sandbox does not work here; the message gives the reason and the remedy."""


class Received(NamedTuple):
    """Bytes that a sandbox sent since the last call of `receive`."""

    control: bytes
    """Bytes of the control stream."""
    output: bytes
    """Bytes that the candidate printed."""
    closed: bool
    """Whether this source has ended."""


class RunningSandbox(Protocol):
    """A sandbox that was started, whether it still runs or not."""

    relay: bool
    """Whether workers' bytes travel over the control stream, rather than over descriptors passed to the zygote."""

    @property
    def alive(self) -> bool:
        """Whether the sandbox still runs, as far as is known without waiting."""
        ...

    @property
    def unsent(self) -> bool:
        """Whether bytes wait to be sent until the sandbox takes more; `receive` sends them."""
        ...

    @property
    def sources(self) -> list[int]:
        """Descriptors to poll for reading; the first is also the one that `send` writes to."""
        ...

    def receive(self, source: int) -> Received:
        """Return the bytes received from a source; never waits."""
        ...

    def send(self, data: bytes, descriptor: int | None = None) -> None:
        """Send bytes to the zygote, with a descriptor if given (not in relay mode). Raises OSError if it has ended."""
        ...

    def kill(self) -> None:
        """End all processes in the sandbox, wait for their end, and release resources. May be called again."""
        ...

    def explain(self) -> str:
        """Return one line on how the sandbox ended; call it after its end."""
        ...


@runtime_checkable
class Backend(Protocol):
    """Interface of an isolation backend. An implementation derives from this class, or has all of its methods."""

    name: str
    """Name by which users select it."""

    def why_not(self) -> str | None:
        """Return why it does not work on this machine, with the remedy; None if it works, which is the default."""
        return None

    def limits_are(self) -> str:
        """Return one line on the limits of a sandbox of this backend, where it works."""
        return "limits of each worker alone (rlimits)"

    def launch(self, limits: Limits) -> RunningSandbox:
        """Start a sandbox with a zygote in it. Raises SandboxUnavailable if that is not possible."""
        ...

    def close(self) -> None:
        """Release the backend's own resources, and wait for ending sandboxes. It can be used again."""
        ...


PYTHON_FLAGS = ("-s", "-S", "-B", "-P")
"""Flags of Python in a sandbox: no site packages, no bytecode files, no current folder on the path. Not -I, which
ignores PYTHONHASHSEED."""


def clean_environment() -> dict[str, str]:
    """Return the whole environment of a zygote, which holds nothing of the host's."""
    return {
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        # A worker ends without emptying its buffers, and what a candidate printed would be lost.
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        # One thread: a process with several cannot be forked safely, and a worker's limit is one core's time.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
