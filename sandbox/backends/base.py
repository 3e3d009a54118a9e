"""What every isolation backend provides: a started zygote, its control stream, and an end to all of it."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol


@dataclass(frozen=True)
class Limits:
    """What a candidate may use. Every worker (one repeat of one grid at one β) has these to itself."""

    memory_mb: int = 512
    """Address space of a worker, in MiB."""
    reply_seconds: float = 10.0
    """Wall-clock time that a worker may take from one frame to its next."""
    repeat_seconds: float = 120.0
    """Wall-clock time of one repeat, all its questions together, waiting included."""
    start_seconds: float = 30.0
    """Wall-clock time for a sandbox to start and the candidate to be compiled."""
    output_bytes: int = 1 << 20
    """What a candidate may print in all; the first 4 KiB are kept."""

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            if value <= 0:
                raise ValueError(f"limit {name} is {value}; give a number above 0")
        if self.memory_mb < 64:
            raise ValueError(f"limit memory_mb is {self.memory_mb}; Python itself needs 64")

    OPEN_FILES: ClassVar[int] = 64

    def for_worker(self, open_files: int = OPEN_FILES) -> dict[str, int]:
        """The resource limits (setrlimit) that a worker takes on, by name."""
        return {
            "as": self.memory_mb << 20,
            "cpu": int(self.repeat_seconds) + 1,
            "fsize": 0,
            "nofile": open_files,
            "core": 0,
            "nproc": 0,
        }


class SandboxUnavailable(RuntimeError):
    """No sandbox can be had as asked; the message says why, and what to do."""


class Received(NamedTuple):
    """What a sandbox sent since it was last asked."""

    control: bytes
    output: bytes
    closed: bool
    """Whether this source has ended."""


class Running(Protocol):
    """A sandbox whose zygote is running, or was."""

    relay: bool
    """Whether workers' bytes travel over the control stream, rather than over descriptors handed in."""

    @property
    def alive(self) -> bool:
        """Whether the sandbox still runs, as far as can be seen without waiting."""
        ...

    @property
    def unsent(self) -> bool:
        """Whether something waits to be sent until the sandbox takes more, at the latest with the next `receive`."""
        ...

    @property
    def sources(self) -> list[int]:
        """Descriptors to wait on for reading; the first is also what is sent over."""
        ...

    def receive(self, source: int) -> Received:
        """Take what has come in from a source; never waits."""
        ...

    def send(self, data: bytes, descriptor: int | None = None) -> None:
        """Send bytes to the zygote, with a descriptor if given (not in relay mode). Raises OSError if it is gone."""
        ...

    def kill(self) -> None:
        """End everything that runs in the sandbox, wait for it, and release what it held. May be called again."""
        ...

    def explain(self) -> str:
        """How the sandbox ended, in a line, once it has."""
        ...


class Backend(Protocol):
    """A way to isolate candidates."""

    name: str

    def launch(self, limits: Limits) -> Running:
        """Start a sandbox with a zygote in it; raises SandboxUnavailable."""
        ...

    def close(self) -> None:
        """Release what the backend itself holds, and wait for what is still going away. It can be used again."""
        ...


PYTHON_FLAGS = ("-s", "-S", "-B", "-P")
"""No site packages, no bytecode files, no current folder on the path; not -I, which would ignore PYTHONHASHSEED."""


def clean_environment() -> dict[str, str]:
    """All that a zygote sees of an environment: nothing of the host's."""
    return {
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        # One thread: a process with several cannot be forked safely, and each worker has one core's worth of time.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
