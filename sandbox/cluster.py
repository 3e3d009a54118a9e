"""Plays chunks of an evaluation on the nodes of a Ray cluster, each in a sandbox of its node.

The bytes of a grid's file are sent once to each node, and cached there under their hash. The same repeats give the
same episodes wherever they are played, so that results do not depend on the cluster.
"""

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envdata.atomic import write_bytes
from envdata.cache import cache_folder
from envdata.cluster import Cluster, check_identity, identity, join
from envdata.grid import GridError
from envdata.grid_names import grid_file
from sandbox.backends.base import SandboxUnavailable
from sandbox.chunks import load_grid, play_chunk
from sandbox.evaluation_cache import EvaluationCache
from sandbox.evaluation_plan import Chunk
from sandbox.host import InfrastructureError
from sandbox.replay_player import EvaluationSettings, PlayedRepeat

RETRIES = 2
"""Times that Ray plays a chunk again that was lost with its process or node, or whose sandbox failed there."""


@dataclass(frozen=True)
class _Shipped:
    """A grid, as a task carries it. The bytes do not travel with the task: a node that has them fetches none."""

    content_hash: str
    content: Any
    """Reference to the file's bytes in the cluster's object store."""


class RayExecutor:
    """A `sandbox.executors.ChunkExecutor` on a Ray cluster, one CPU per chunk."""

    def __init__(self) -> None:
        """Join the cluster. Raises `envdata.cluster.ClusterError` if none can be used."""
        self._cluster: Cluster | None = join()
        self._width = max(1, self._cluster.cpus)
        self._identity = identity()
        ray = self._ray = self._cluster.ray
        # A node that is being lost ends a sandbox before the process that plays in it, which then says that it failed.
        failures = [SandboxUnavailable, InfrastructureError]
        self._play = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=failures)(_play)
        self._grids: dict[str, _Shipped] = {}
        self._caches: set[EvaluationCache] = set()
        self._under_way: dict[Future[list[PlayedRepeat]], Any] = {}

    @property
    def width(self) -> int:
        """Number of the cluster's CPUs."""
        return self._width

    def submit(self, chunk: Chunk, sandbox: str, settings: EvaluationSettings) -> "Future[list[PlayedRepeat]]":
        """Play a chunk on some node; the future raises what playing raised, InfrastructureError if it was lost."""
        grid = self._ship(chunk.grid)
        # A cache is a folder of this machine, and not sent.
        reference = self._play.remote(replace(chunk, cache=None), grid, sandbox, settings, self._identity)
        outcome: Future[list[PlayedRepeat]] = Future()
        self._under_way[outcome] = reference
        reference.future().add_done_callback(lambda ended: self._settle(chunk, outcome, ended))
        return outcome

    def close(self) -> None:
        """Cancel the chunks that are still being played, and leave the cluster."""
        if self._cluster is None:
            return
        for reference in list(self._under_way.values()):
            self._ray.cancel(reference, force=True)
        for cache in self._caches:
            cache.trim()
        self._cluster.leave()
        self._cluster = None

    def _ship(self, grid: str) -> _Shipped:
        if grid not in self._grids:
            try:
                content = grid_file(grid).read_bytes()
            except OSError as error:
                raise GridError(f"{grid}: cannot be read ({error.strerror})") from None
            self._grids[grid] = _Shipped(hashlib.sha256(content).hexdigest(), self._ray.put(content))
        return self._grids[grid]

    def _settle(self, chunk: Chunk, outcome: "Future[list[PlayedRepeat]]", ended: "Future[list[PlayedRepeat]]") -> None:
        self._under_way.pop(outcome, None)
        if chunk.cache is not None and chunk.failed is None and ended.exception() is None:
            chunk.cache.add(chunk.key, ended.result())
            self._caches.add(chunk.cache)
        if not outcome.set_running_or_notify_cancel():
            return
        error = ended.exception()
        if error is None:
            outcome.set_result(ended.result())
            return
        cause = getattr(error, "cause", None)
        if isinstance(cause, Exception):
            # As it was raised there, without the other machine's traceback in its text.
            outcome.set_exception(cause)
        else:
            lost = f"{type(error).__name__}: {next(iter(str(error).splitlines()), 'no reason given')}"
            outcome.set_exception(InfrastructureError(f"a part of the evaluation was lost on the cluster ({lost})"))


def _play(
    chunk: Chunk, grid: _Shipped, sandbox: str, settings: EvaluationSettings, wanted: Mapping[str, str]
) -> list[PlayedRepeat]:
    """Play a chunk on this node; `wanted` is the identity of the process that sent it."""
    check_identity(wanted)
    try:
        return play_chunk(replace(chunk, file=_file_of(grid)), sandbox, settings)
    except SandboxUnavailable as error:
        import ray

        raise SandboxUnavailable(f"on node {ray.util.get_node_ip_address()}: {error}") from None


_files: dict[str, str] = {}
"""Paths of the grids that this process, on a node, has loaded, by content hash."""


def _file_of(grid: _Shipped) -> str:
    """Return the path of a grid's file on this node, after fetching it if this node lacks it or it is damaged."""
    if grid.content_hash not in _files:
        file = cache_folder("grids") / f"{grid.content_hash}.parquet"
        # All processes of a new node begin at once, and mapping 1,000 questions takes a GiB: they do it one by one.
        with _alone(file.with_name("fetching.lock")):
            if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != grid.content_hash:
                import ray

                write_bytes(file, ray.get(grid.content))
            load_grid(str(file))
        _files[grid.content_hash] = str(file)
    return _files[grid.content_hash]


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock on a file while other processes of this node wait; nothing on a file system without locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
