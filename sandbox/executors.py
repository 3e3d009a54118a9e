"""Where the chunks of an evaluation are played: in processes of this machine, or on a Ray cluster's nodes."""

from concurrent.futures import Future
from typing import Protocol

from sandbox.chunks import play_chunk
from sandbox.evaluation_plan import Chunk
from sandbox.jobs import ProcessPool
from sandbox.replay_player import EvaluationSettings, PlayedRepeat

EXECUTORS = ("local", "ray")
"""Names of the executors."""


class ChunkExecutor(Protocol):
    """Plays chunks in other processes or on other machines; figures do not depend on it."""

    @property
    def width(self) -> int:
        """Number of chunks played at the same time."""

    def submit(self, chunk: Chunk, sandbox: str, settings: EvaluationSettings) -> "Future[list[PlayedRepeat]]":
        """Play a chunk, as `play_chunk` does."""

    def close(self) -> None:
        """End all processes or tasks, those still playing included."""


def make_executor(name: str, jobs: int) -> ChunkExecutor | None:
    """Return an executor; None to play in this process.

    Args:
        name: A name in `EXECUTORS`.
        jobs: Number of local processes, 1 or more; ignored for `ray`.

    Raises:
        ClusterError: No Ray cluster can be used.
        ValueError: There is no executor of this name, or `jobs` is below 1.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; give 1 or more")
    if name not in EXECUTORS:
        raise ValueError(f"executor is {name!r}; give one of {', '.join(EXECUTORS)}")
    if name == "ray":
        # Ray is an extra.
        from sandbox.cluster import RayExecutor

        return RayExecutor()
    return _LocalProcesses(jobs) if jobs > 1 else None


class _LocalProcesses:
    """A `ChunkExecutor` of local processes, which are started with the first chunk."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: ProcessPool | None = None

    @property
    def width(self) -> int:
        return self._jobs

    def submit(self, chunk: Chunk, sandbox: str, settings: EvaluationSettings) -> "Future[list[PlayedRepeat]]":
        if self._pool is None:
            self._pool = ProcessPool(self._jobs)
        return self._pool.submit(play_chunk, chunk, sandbox, settings)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None
