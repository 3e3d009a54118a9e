"""Measures what a discovery costs where it is spread over many cores: what is serial, the tasks, their bytes, memory.

    python -m benchmarks.scaling run --questions 50        # a round on a synthetic grid, node by node
    python -m benchmarks.scaling rates --questions 1000    # playing: seconds of processor time per 1,000 episodes
    python -m benchmarks.scaling cores --questions 40      # wall time with one and with two cores, and on a Ray cluster
    python -m benchmarks.scaling tasks --questions 1000    # the command's own time a task on a Ray cluster

Grids are of `benchmarks.speed.write_synthetic`: 128 branches × 80 intervals. Times are of processors, which depend
less on the load of the machine than wall times do. `run` divides them: what the command itself and the sandboxes that
it starts outside of evaluations take is serial; the rest is played by the jobs, and falls with cores.
"""

import argparse
import os
import pickle
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from benchmarks.speed import write_synthetic
from envdata.grid import Grid
from graph.loop import context, machine
from graph.loop.search import discover
from sandbox.candidate import PAPER_BASELINES, Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.evaluation_plan import Chunk
from sandbox.executors import _LocalProcesses
from sandbox.replay_player import EvaluationSettings, PlayedRepeat
from sandbox.status import Status

BRANCHES, INTERVALS = 128, 80
TASKS = 1000
"""Tasks that are sent to a Ray cluster."""
KIB = 1024


def main() -> None:
    """Parse the arguments, measure in an empty cache and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["run", "rates", "cores", "tasks"])
    parser.add_argument("--questions", type=int, required=True)
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--candidates", type=int, default=12, help="of run: candidates of its round")
    parser.add_argument("--betas", type=int, default=11, help="of run: values of β, evenly spaced")
    parser.add_argument("--repeats", type=int, default=8, help="of run: branch orders, a quarter of them in screening")
    parser.add_argument("--pairs", type=int, default=3, help="of cores: measurements of each kind")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUTOTTS_CACHE"] = f"{folder}/cache"
        grid = Path(folder) / "grid.parquet"
        write_synthetic(grid, given.questions, BRANCHES, INTERVALS)
        {"run": run, "rates": rates, "cores": cores, "tasks": tasks}[given.part](grid, given)


def run(grid: Path, given: argparse.Namespace) -> None:
    """Run one round with two jobs and print each node's serial and played time, the tasks and their bytes."""
    serial: dict[str, float] = defaultdict(float)
    evaluating: dict[str, float] = defaultdict(float)
    played: dict[str, int] = defaultdict(int)
    sent: list[int] = []
    received: list[tuple[int, int]] = []
    now = ["start"]

    def timed(name: str, node: machine.Node) -> machine.Node:
        def act(ctx: context.Context, state: context.State) -> context.State:
            before, now[0] = _processor(), name
            try:
                return node(ctx, state)
            finally:
                serial[name] += _processor() - before

        return act

    def evaluate(self: Any, plans: Sequence[Plan], progress: Any = None, **more: Any) -> Any:
        before = _processor()
        evaluation = Evaluator.evaluate(self, plans, progress, **more)
        evaluating[now[0]] += _processor() - before
        played[now[0]] += evaluation.episodes.num_rows
        return evaluation

    submit = _LocalProcesses.submit

    def measured(self: Any, chunk: Chunk, sandbox: str, settings: EvaluationSettings) -> Future[list[PlayedRepeat]]:
        sent.append(len(pickle.dumps((chunk, sandbox, settings))))
        future = submit(self, chunk, sandbox, settings)

        def look(done: Future[list[PlayedRepeat]]) -> None:
            if not done.cancelled() and done.exception() is None:
                received.extend((each.repeat.traced, len(pickle.dumps(each))) for each in done.result())

        future.add_done_callback(look)
        return future

    for name, node in list(machine.NODES.items()):
        machine.NODES[name] = timed(name, node)
    context.CountingEvaluator.evaluate = evaluate  # type: ignore[method-assign]
    _LocalProcesses.submit = measured  # type: ignore[method-assign]
    whole, wall = _processor(), time.perf_counter()
    discover(
        grid, out=grid.parent / "run", jobs=2, rounds=1, candidates=given.candidates, sandbox=given.sandbox,
        betas=tuple(place / (given.betas - 1) for place in range(given.betas)), repeats=given.repeats,
        screening_repeats=max(1, given.repeats // 4), baselines=PAPER_BASELINES, say=lambda line: None,
    )  # fmt: skip
    whole, wall = _processor() - whole, time.perf_counter() - wall
    nodes = sum(serial.values())
    # Of jobs: their processes are waited for at the run's end alone, after the nodes.
    print(f"{given.questions} questions: {wall:.0f} s, {whole:.1f} s of processors", flush=True)
    print("node: serial seconds (within evaluations), episodes")
    for name in machine.NODES:
        print(f"  {name}: {serial[name]:.2f} ({evaluating[name]:.2f}), {played[name]:,}")
    episodes = sum(played.values())
    print(f"  all: {nodes:.2f} ({sum(evaluating.values()):.2f}), {episodes:,}")
    print(
        f"played by jobs, with the page and the start: {whole - nodes:.1f} s, {(whole - nodes) / episodes * 1e3:.3f} ms"
    )
    print(f"tasks: {len(sent)}, bytes sent a task: {statistics.mean(sent):,.0f}, at most {max(sent):,}")
    for kind, label in ((False, "repeat"), (True, "traced repeat")):
        sizes = [size for traced, size in received if traced == kind]
        mean = statistics.mean(sizes)
        print(f"bytes back a {label}: {mean:,.0f} ({mean / given.questions:.0f} a question)")
    print(f"peak memory of the command: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB:,.0f} MiB")
    files = sum(path.stat().st_size for path in (grid.parent / "run").rglob("*") if path.is_file())
    cached = sum(path.stat().st_size for path in (grid.parent / "cache" / "evaluations").rglob("*") if path.is_file())
    print(f"the run's folder: {files / KIB / KIB:,.1f} MiB; cached baselines: {cached / KIB / KIB:,.1f} MiB")


def rates(grid: Path, given: argparse.Namespace) -> None:
    """Play the baselines at three β, a repeat each, and print the processor time of 1,000 episodes and peak memory."""
    took = _took(lambda: Grid.load(grid))
    print(f"grid: {grid.stat().st_size / KIB / KIB:,.0f} MiB, first load {took:.1f} s; ", end="")
    mapped = sum(path.stat().st_size for path in (grid.parent / "cache").rglob("*") if path.is_file())
    print(f"mapped file {mapped / KIB / KIB:,.0f} MiB; peak memory {_peak():,.0f} MiB", flush=True)
    settings = EvaluationSettings(order="balanced")
    with Evaluator(settings, sandbox=given.sandbox) as evaluator:
        for name in PAPER_BASELINES:
            plan = Plan(Candidate.parse(name), (str(grid),), (0.0, 0.5, 1.0), 1)
            took = _took(lambda plan=plan: evaluator.evaluate([plan]))  # type: ignore[misc]
            print(f"{name}: {took / 3 / given.questions * 1e6:.0f} ms for 1,000 episodes", flush=True)
        plan = Plan(Candidate.parse("sc:branches=1"), (str(grid),), None, 1)
        took = _took(lambda: evaluator.evaluate([plan]))
        print(f"a chunk of one repeat of one branch: {took:.2f} s; peak memory {_peak():,.0f} MiB")


def cores(grid: Path, given: argparse.Namespace) -> None:
    """Evaluate CMC in alternation with one job, two jobs and on a Ray cluster; print medians of wall times."""
    kinds: dict[str, dict[str, Any]] = {"--jobs 1": {"jobs": 1}, "--jobs 2": {"jobs": 2}}
    if os.environ.get("RAY_ADDRESS"):
        kinds["--executor ray"] = {"executor": "ray"}
    walls: dict[str, list[float]] = defaultdict(list)
    plan = Plan(Candidate.parse("cmc"), (str(grid),), tuple(tenth / 10 for tenth in range(11)), 8)
    for _ in range(given.pairs):
        for kind, where in kinds.items():
            with Evaluator(EvaluationSettings(order="balanced"), sandbox=given.sandbox, **where) as evaluator:
                started = time.perf_counter()
                evaluator.evaluate([plan])
                walls[kind].append(time.perf_counter() - started)
    for kind, each in walls.items():
        speed = statistics.median(walls["--jobs 1"]) / statistics.median(each)
        print(f"{kind}: {statistics.median(each):.1f} s ({min(each):.1f} – {max(each):.1f}), {speed:.2f} times one job")


def tasks(grid: Path, given: argparse.Namespace) -> None:
    """Send chunks to a Ray cluster that fail without being played, and print the command's own time for each."""
    with Evaluator(EvaluationSettings(), sandbox=given.sandbox, executor="ray") as evaluator:
        plan = Plan(Candidate.parse("sc"), (str(grid),), (0.0,), 1, failed=(Status.EXCEPTION, "not to be played"))
        evaluator.evaluate([plan])
        for count in (TASKS // 10, TASKS):
            before, started = time.process_time(), time.perf_counter()
            evaluator.evaluate([plan] * count)
            own, wall = time.process_time() - before, time.perf_counter() - started
            print(
                f"{count} tasks: {own / count * 1e3:.2f} ms of the command a task, {wall / count * 1e3:.2f} ms of wall"
            )


def _took(act: Callable[[], Any]) -> float:
    before = _processor()
    act()
    return _processor() - before


def _processor() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB


if __name__ == "__main__":
    main()
