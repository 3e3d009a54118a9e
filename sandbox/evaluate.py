"""Evaluation: a map over (candidate, grid, β, repeat), with the same figures for any number of jobs.

Each job is a process that holds a sandbox of its own for the current candidate and plays some of its repeats. No gold
answer leaves these processes, and no model is called. Repeats that a plan's cache holds are not played again, and each
played repeat is added to it, so that an evaluation that was killed is resumed where it stopped.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from envdata.perturbations import Perturbation
from envdata.traces import SCHEMA as TRACE
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.chunks import load_grid, play_repeats
from sandbox.description import describe
from sandbox.evaluation_cache import evaluation_key
from sandbox.evaluation_plan import Chunk, GivenUp, GridWork, Plan
from sandbox.executors import make_executor
from sandbox.host import CandidateFailed
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Repeat
from sandbox.results import RepeatEpisodes, episode_table

__all__ = ["Description", "Evaluation", "Evaluator", "GivenUp", "Plan", "Progress"]

TRACES = pa.schema(
    [
        pa.field("controller", pa.string()),
        pa.field("grid", pa.string()),
        pa.field("beta", pa.float64()),
        pa.field("repeat", pa.int32()),
        *TRACE,
    ]
)
"""Schema of an evaluation's traces: the episode's controller, grid, β and repeat, then `envdata.traces.SCHEMA`."""


def ignores_beta(schedules: Sequence[Mapping[str, float]]) -> bool:
    """Whether the schedules of more than one β are all the same."""
    return len(schedules) > 1 and all(schedule == schedules[0] for schedule in schedules)


@dataclass(frozen=True)
class Description:
    """A candidate's description of itself, as quoted text."""

    name: str
    """Name of its class."""
    doc: str
    """Docstring of its file."""
    schedules: list[dict[str, float]]
    """Knobs at each β asked for."""

    @property
    def ignores_beta(self) -> bool:
        """Whether the schedules of more than one β are all the same."""
        return ignores_beta(self.schedules)


@dataclass(frozen=True)
class Evaluation:
    """Episodes and traces, in an order that does not depend on the number of jobs."""

    episodes: pa.Table
    """Schema: `sandbox.results.EPISODES`."""
    traces: pa.Table
    """Schema: `TRACES`."""
    given_up: tuple[GivenUp, ...] = ()
    cached: int = 0
    """Number of episodes taken from a cache."""


Progress = Callable[[int, int], None]
"""Called with the number of episodes played so far and the total."""


class Evaluator:
    """Evaluates candidates in sandboxes, in one process or several. A context manager."""

    def __init__(
        self,
        settings: EvaluationSettings,
        *,
        sandbox: str = "auto",
        jobs: int = 1,
        executor: str = "local",
        on_output: Callable[[str, bytes], None] | None = None,
    ) -> None:
        """Prepare an evaluator.

        Args:
            settings: Settings of all its evaluations.
            sandbox: Name of an isolation backend, or `auto`.
            jobs: Number of local processes, 1 or more; ignored for `ray`.
            executor: Where episodes are played: `local`, or `ray` for the nodes of a Ray cluster.
            on_output: Called with the name of a candidate and what it prints, in the order of the repeats; needs one
                local job. None to discard it.

        Raises:
            SandboxUnavailable: The backend does not work on this machine, where candidates are described.
            ClusterError: No Ray cluster can be used.
            ValueError: `jobs` is below 1, there is no such executor, or `on_output` is given with more than one job.
        """
        if on_output is not None and (jobs, executor) != (1, "local"):
            raise ValueError("what a candidate prints comes from one local job alone; give jobs=1")
        self._on_output = on_output
        self.settings = settings
        self.backend = make_backend(sandbox)
        self._executor = make_executor(executor, jobs)
        self.jobs = self._executor.width if self._executor is not None else 1

    def __enter__(self) -> "Evaluator":
        """Return the evaluator itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the evaluator."""
        self.close()

    def close(self) -> None:
        """End the processes that it started, and its work on a cluster."""
        if self._executor is not None:
            self._executor.close()

    def describe(self, candidate: Candidate, betas: Sequence[float], until: float | None = None) -> Description:
        """Load the candidate in a sandbox and return its description, with its schedule at each β.

        Args:
            candidate: The candidate.
            betas: Values of β.
            until: Deadline by `time.time`, in seconds; None for no deadline.

        Raises:
            CandidateFailed: It cannot be loaded or breaks the contract; has the status.
            OutOfTime: The deadline has passed.
        """
        answer: dict[str, Any] | CandidateFailed = describe(self.backend, candidate, betas, self.settings, until)
        if isinstance(answer, CandidateFailed):
            raise answer
        return Description(answer["name"], answer["doc"], answer["schedules"])

    def evaluate(
        self, plans: Sequence[Plan], progress: Progress | None = None, *, until: float | None = None
    ) -> Evaluation:
        """Play every plan; return the episodes in the order of plans, grids, β, repeats and questions.

        Args:
            plans: The plans.
            progress: Called as repeats end.
            until: Deadline by `time.time`, in seconds; None for no deadline.

        Raises:
            InfrastructureError: The sandbox keeps failing by itself.
            GridError: A grid cannot be read.
            OutOfTime: The deadline has passed; there is no partial result.
        """
        shares = [
            GridWork(plan, grid, len(load_grid(grid).questions), self._key(plan, grid))
            for plan in plans
            for grid in plan.grids
        ]
        total = sum(len(share.every) * share.questions for share in shares)
        done = cached = sum(len(share.played) * share.questions for share in shares)
        if progress is not None:
            progress(done, total)
        while chunks := [chunk for number, share in enumerate(shares) for chunk in share.chunks(number, self.jobs)]:
            for chunk, played in self._play([replace(chunk, until=until) for chunk in chunks]):
                share = shares[chunk.share]
                for each in played:
                    share.played[each.repeat] = each
                    done += share.questions
                    if progress is not None:
                        progress(done, total)
            for share in shares:
                done -= share.judge() * share.questions
        groups = [(group, each.trace) for share in shares for group, each in share.groups()]
        traces = [_located(trace, group) for group, trace in groups if trace is not None]
        return Evaluation(
            episode_table([group for group, _ in groups]),
            pa.concat_tables(traces or [TRACES.empty_table()]).unify_dictionaries().combine_chunks(),
            tuple(share.given_up for share in shares if share.given_up is not None),
            cached,
        )

    def replay(
        self, candidate: Candidate, grids: Sequence[str], betas: Sequence[float], perturbations: Sequence[Perturbation]
    ) -> list[list[list[PlayedRepeat]]]:
        """Play repeat 0 of all questions on perturbed grids, at each β.

        Args:
            candidate: The candidate.
            grids: Paths of the grids.
            betas: Values of β.
            perturbations: Each is played on each grid.

        Returns:
            Repeats in the order of β, by grid and perturbation.

        Raises:
            InfrastructureError: The sandbox keeps failing by itself.
            GridError: A grid cannot be read.
        """
        repeats = tuple(Repeat(beta, 0) for beta in betas)
        chunks = [
            Chunk(number, candidate, grid, None, repeats, perturbation=perturbation)
            for number, (grid, perturbation) in enumerate(itertools.product(grids, perturbations))
        ]
        played: list[dict[Repeat, PlayedRepeat]] = [{} for _ in chunks]
        for chunk, part in self._play(chunks):
            played[chunk.share] |= {each.repeat: each for each in part}
        in_order = iter([[own[repeat] for repeat in repeats] for own in played])
        return [[next(in_order) for _ in perturbations] for _ in grids]

    def _key(self, plan: Plan, grid: str) -> str:
        """Return the cache key of a plan's repeats on a grid; empty without a cache."""
        if plan.cache is None:
            return ""
        return evaluation_key(plan.candidate, load_grid(grid).content_hash, self.settings, self.backend.name)

    def _play(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Iterable[PlayedRepeat]]]:
        executor = self._executor
        if executor is None:
            for chunk in chunks:
                heard = None if self._on_output is None else partial(self._on_output, chunk.candidate.label)
                for played in play_repeats(chunk, self.backend.name, self.settings, heard):
                    yield chunk, [played]
            return
        waiting = {executor.submit(chunk, self.backend.name, self.settings): chunk for chunk in chunks}
        try:
            while waiting:
                ended, _ = wait(waiting, return_when="FIRST_COMPLETED")
                for future in ended:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.cancel()


def _located(trace: pa.Table, group: RepeatEpisodes) -> pa.Table:
    columns = [
        pa.repeat(pa.scalar(getattr(group, name), TRACES.field(name).type), trace.num_rows)
        for name in ("controller", "grid", "beta", "repeat")
    ]
    return pa.table([*columns, *trace.columns], schema=TRACES)
