"""Chunks of an evaluation played on the nodes of a Ray cluster, each in a sandbox of its node.

A grid travels as the bytes of its file, once to each node, and is kept there in the cache under its content's hash. The
same repeats give the same episodes wherever they are played, so that files do not depend on the cluster.
"""

import hashlib
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envdata.atomic import write_bytes
from envdata.cluster import Cluster, join
from envdata.grid import GridError, cache_folder
from sandbox.evaluate import Chunk, play_chunk
from sandbox.host import InfrastructureError
from sandbox.playing import PlayedRepeat, Settings

RETRIES = 2
"""How often Ray plays a chunk again that was lost with its process or node."""


@dataclass(frozen=True)
class _Shipped:
    content_hash: str
    content: Any
    """Reference to the file's bytes in the cluster's object store."""


class RayFarm:
    """A `sandbox.evaluate.Farm` of a Ray cluster, a CPU a chunk."""

    def __init__(self) -> None:
        """Raises `envdata.cluster.ClusterError` if no cluster can be used."""
        self._cluster: Cluster | None = join()
        self._width = max(1, self._cluster.cpus)
        ray = self._ray = self._cluster.ray
        self._play = ray.remote(num_cpus=1, max_retries=RETRIES)(_play)
        self._grids: dict[str, _Shipped] = {}
        self._under_way: dict[Future[list[PlayedRepeat]], Any] = {}

    @property
    def width(self) -> int:
        """The cluster's CPUs."""
        return self._width

    def submit(self, chunk: Chunk, sandbox: str, settings: Settings) -> "Future[list[PlayedRepeat]]":
        """Play a chunk on some node. The result raises what playing raised, InfrastructureError if it was lost."""
        grid = self._ship(chunk.grid)
        reference = self._play.remote(chunk, grid.content_hash, grid.content, sandbox, settings)
        outcome: Future[list[PlayedRepeat]] = Future()
        self._under_way[outcome] = reference
        reference.future().add_done_callback(lambda ended: self._settle(outcome, ended))
        return outcome

    def close(self) -> None:
        """End what is still being played, and leave the cluster."""
        if self._cluster is None:
            return
        for reference in list(self._under_way.values()):
            self._ray.cancel(reference, force=True)
        self._cluster.leave()
        self._cluster = None

    def _ship(self, grid: str) -> _Shipped:
        if grid not in self._grids:
            try:
                content = Path(grid).read_bytes()
            except OSError as error:
                raise GridError(f"{grid}: cannot be read ({error.strerror})") from None
            self._grids[grid] = _Shipped(hashlib.sha256(content).hexdigest(), self._ray.put(content))
        return self._grids[grid]

    def _settle(self, outcome: "Future[list[PlayedRepeat]]", ended: "Future[list[PlayedRepeat]]") -> None:
        self._under_way.pop(outcome, None)
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


def _play(chunk: Chunk, content_hash: str, content: bytes, sandbox: str, settings: Settings) -> list[PlayedRepeat]:
    file = cache_folder() / f"{content_hash}.parquet"
    if not file.exists():
        write_bytes(file, content)
    return play_chunk(replace(chunk, file=str(file)), sandbox, settings)
