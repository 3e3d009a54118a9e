"""Evaluation: a map over (candidate, grid, β, repeat), with the same figures whatever the number of jobs.

Each job is a process that holds a sandbox of its own for the candidate at hand and plays a share of its repeats. No
gold answer leaves these processes, and no model is called.
"""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from envdata.grid import Grid
from envdata.traces import SCHEMA as TRACE
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.host import CandidateFailed
from sandbox.jobs import begin_job, cores_for
from sandbox.playing import PlayedRepeat, Player, Repeat, Settings, describe
from sandbox.results import Group, episode_table
from sandbox.status import Status

CHUNK = 200
"""Repeats that one job takes on at a time; each time it starts a sandbox."""

TRACES = pa.schema(
    [
        pa.field("controller", pa.string()),
        pa.field("grid", pa.string()),
        pa.field("beta", pa.float64()),
        pa.field("repeat", pa.int32()),
        *TRACE,
    ]
)
"""The traces of an evaluation: `envdata.traces.SCHEMA` after which episode it is."""


@dataclass(frozen=True)
class Description:
    """What a candidate says of itself; from a sandbox, quoted."""

    name: str
    doc: str
    schedules: list[dict[str, float]]
    """Its knobs at each β asked for."""

    @property
    def ignores_beta(self) -> bool:
        """Whether all schedules are the same."""
        return all(schedule == self.schedules[0] for schedule in self.schedules)


@dataclass(frozen=True)
class Plan:
    """What to evaluate of one candidate."""

    candidate: Candidate
    grids: tuple[str, ...]
    """Paths."""
    betas: tuple[float, ...] | None
    """None plays it once, as one whose schedule ignores β; it is run at 1."""
    repeats: int
    """Branch orders; they are numbered from 0."""
    traced: frozenset[float] = frozenset()
    """The β whose repeat 0 is traced; with `betas` None, anything but empty traces it."""
    failed: tuple[Status, str] | None = None
    """Why the candidate cannot be played at all, where that is known: its episodes fail without being tried."""
    first: int = 0
    """The repeat to begin with, where those before it were played already."""


@dataclass(frozen=True)
class Evaluation:
    """Episodes and traces, in one order whatever the jobs."""

    episodes: pa.Table
    traces: pa.Table


@dataclass(frozen=True)
class Chunk:
    """Repeats of one plan on one grid that are played by one process."""

    plan: int
    candidate: Candidate
    grid: str
    failed: tuple[Status, str] | None
    repeats: tuple[Repeat, ...]
    file: str | None = None
    """Where the grid is read from, if not by its name: on another machine it lies elsewhere."""


class Farm(Protocol):
    """Where chunks are played when not in this process; figures do not depend on it."""

    @property
    def width(self) -> int:
        """How many chunks are played at once."""

    def submit(self, chunk: Chunk, sandbox: str, settings: Settings) -> "Future[list[PlayedRepeat]]":
        """Play a chunk, as `play_chunk` does."""

    def close(self) -> None:
        """End what was started, and what is still being played."""


Progress = Callable[[int, int], None]
"""Called with the episodes played so far, and those there are in all."""


class Evaluator:
    """Evaluates candidates in sandboxes, on one process or several. A context manager."""

    def __init__(self, settings: Settings, *, sandbox: str = "auto", jobs: int = 1, farm: Farm | None = None) -> None:
        """`sandbox` names a backend, or `auto`; with a `farm`, which is closed at the end, `jobs` has no meaning.

        Raises SandboxUnavailable if there is no such backend here, where candidates are described.
        """
        if jobs < 1:
            raise ValueError(f"jobs is {jobs}; give 1 or more")
        self.settings, self.jobs = settings, farm.width if farm else jobs
        self.backend = make_backend(sandbox)
        self._farm = farm or (_Processes(jobs) if jobs > 1 else None)

    def __enter__(self) -> "Evaluator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the jobs' processes, or the farm."""
        if self._farm is not None:
            self._farm.close()

    def describe(self, candidate: Candidate, betas: Sequence[float]) -> Description:
        """Load the candidate, and ask for its schedule at each β. Raises CandidateFailed with a typed status."""
        said: dict[str, Any] | CandidateFailed = describe(self.backend, candidate, betas, self.settings)
        if isinstance(said, CandidateFailed):
            raise said
        return Description(said["name"], said["doc"], said["schedules"])

    def evaluate(self, plans: Sequence[Plan], progress: Progress | None = None) -> Evaluation:
        """Play every plan. Episodes come in the order of plans, grids, β, repeats and questions.

        Raises InfrastructureError if the sandbox keeps failing by itself, GridError for a grid that cannot be read.
        """
        chunks = list(_chunks(plans, self.jobs))
        sizes = {grid: len(_grid(grid).questions) for grid in dict.fromkeys(chunk.grid for chunk in chunks)}
        total = sum(len(chunk.repeats) * sizes[chunk.grid] for chunk in chunks)
        done = 0
        parts: list[tuple[tuple[int, str, float, int], Group, pa.Table | None]] = []
        for chunk, played in self._play(chunks):
            plan = plans[chunk.plan]
            for each in played:
                repeat = each.repeat
                beta = None if plan.betas is None else repeat.beta
                group = Group(plan.candidate.label, chunk.grid, beta, repeat.number, each.result)
                parts.append(((chunk.plan, chunk.grid, repeat.beta, repeat.number), group, _located(each.trace, group)))
                done += sizes[chunk.grid]
                if progress is not None:
                    progress(done, total)
        rank = {(i, grid): n for i, plan in enumerate(plans) for n, grid in enumerate(plan.grids)}
        parts.sort(key=lambda part: (part[0][0], rank[part[0][:2]], part[0][2], part[0][3]))
        traces = pa.concat_tables([part[2] for part in parts if part[2] is not None] or [TRACES.empty_table()])
        episodes = episode_table([part[1] for part in parts])
        return Evaluation(episodes, traces.unify_dictionaries().combine_chunks())

    def _play(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Iterable[PlayedRepeat]]]:
        farm = self._farm
        if farm is None:
            for chunk in chunks:
                for played in _play_repeats(chunk, self.backend.name, self.settings):
                    yield chunk, [played]
            return
        waiting = {farm.submit(chunk, self.backend.name, self.settings): chunk for chunk in chunks}
        try:
            while waiting:
                ended, _ = wait(waiting, return_when="FIRST_COMPLETED")
                for future in ended:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.cancel()


class _Processes:
    """Jobs on this machine, started when the first chunk comes."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._executor: Executor | None = None

    @property
    def width(self) -> int:
        return self._jobs

    def submit(self, chunk: Chunk, sandbox: str, settings: Settings) -> "Future[list[PlayedRepeat]]":
        if self._executor is None:
            spawn = multiprocessing.get_context("spawn")
            shared = (spawn.Value("i", 0), cores_for(self._jobs))
            self._executor = ProcessPoolExecutor(
                self._jobs, mp_context=spawn, initializer=begin_job, initargs=shared
            )  # fmt: skip
        return self._executor.submit(play_chunk, chunk, sandbox, settings)

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


def _chunks(plans: Sequence[Plan], jobs: int) -> Iterator[Chunk]:
    for number, plan in enumerate(plans):
        betas = (1.0,) if plan.betas is None else plan.betas
        for grid in plan.grids:
            every = [
                Repeat(
                    beta, repeat, repeat == 0 and (beta in plan.traced or (plan.betas is None and bool(plan.traced)))
                )
                for beta in betas
                for repeat in range(plan.first, plan.repeats)
            ]
            # Costly β and cheap ones are dealt out alike, so that jobs end together.
            size = min(CHUNK, -(-len(every) // jobs))
            count = -(-len(every) // size)
            for share in range(count):
                yield Chunk(number, plan.candidate, grid, plan.failed, tuple(every[share::count]))


def play_chunk(chunk: Chunk, sandbox: str, settings: Settings) -> list[PlayedRepeat]:
    """Play a chunk in a sandbox of this machine, of the backend named."""
    return list(_play_repeats(chunk, sandbox, settings))


def _play_repeats(chunk: Chunk, sandbox: str, settings: Settings) -> Iterator[PlayedRepeat]:
    player = Player(make_backend(sandbox), chunk.candidate, _grid(chunk.file or chunk.grid), settings)
    return player.play(chunk.repeats) if chunk.failed is None else player.refuse(chunk.repeats, *chunk.failed)


@lru_cache(maxsize=16)
def _grid(path: str) -> Grid:
    return Grid.load(Path(path))


def _located(trace: pa.Table | None, group: Group) -> pa.Table | None:
    if trace is None:
        return None
    columns = [
        pa.repeat(pa.scalar(getattr(group, name), TRACES.field(name).type), trace.num_rows)
        for name in ("controller", "grid", "beta", "repeat")
    ]
    return pa.table([*columns, *trace.columns], schema=TRACES)
