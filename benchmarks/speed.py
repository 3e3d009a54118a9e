"""Measures the speed of evaluation against the plain in-process replay of `benchmarks/naive.py`.

    python -m benchmarks.speed PUBLISHED_FOLDER [--pairs 5] [--parts ratio,jobs,…] [--assert]

Every ratio is the median over interleaved pairs, so that other load on the machine affects both sides. Evaluations are
sandboxed, one process a repeat, with the traces of repeat 0, as `autotts discover` runs them. With --assert the exit
status is 1 if a ratio exceeds its limit; limits of absolute times are shown only, since machines differ.

Parts: ratio (the methods of `COMPARED` on one core), wide (the same on 270 questions), release (a controller written
for the AutoTTS release, through the adapter), jobs (two against one), sweep (4 grids × 11 β × 100 repeats of CMC on two
jobs), load (loading a grid), large (250, 500 and 1,000 questions × 128 branches × 80 intervals: time and peak memory).
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import naive, naive_episode
from benchmarks import release as released
from envdata import grid_schema
from envdata.autotts_import import import_folder
from envdata.episodes import Terms
from envdata.grid import Grid
from graph.cli.options import NO_CEILING
from sandbox.backends.base import Limits
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings

MODEL = "Qwen3-1.7B"
REPEATS = 100
PATIENT = Limits(reply_seconds=120, repeat_seconds=600, start_seconds=120)
"""Long limits: on a busy machine the figures grow, but no candidate fails."""
PARTS = ("ratio", "wide", "release", "jobs", "sweep", "load", "large")
RELEASED = Path(__file__).with_name("release_cmc.py")
RELEASED_REPEATS = 100


class Line(NamedTuple):
    """A line of the table."""

    what: str
    """The measured quantity."""
    measured: str
    limit: str = ""
    ok: bool | None = None
    """Whether the limit is met; None without a limit."""
    asserted: bool = False


class Cost(NamedTuple):
    """Time in seconds."""

    wall: float
    cpu: float
    """Processor time of this process alone; of a sandboxed evaluation, the host's part."""


def measure(action: Callable[[], object]) -> Cost:
    started, cpu = time.perf_counter(), _cpu()
    action()
    return Cost(time.perf_counter() - started, _cpu() - cpu)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Restrict this process and its children to one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def evaluate(evaluator: Evaluator, path: str, spec: str, beta: float | None, repeats: int = REPEATS) -> None:
    """Run one sandboxed evaluation. Raises SystemExit if an episode fails."""
    betas = None if beta is None else (beta,)
    plan = Plan(Candidate.parse(spec), (path,), betas, repeats, frozenset({1.0 if beta is None else beta}))
    episodes = evaluator.evaluate([plan]).episodes
    if set(episodes.column("status").to_pylist()) != {"ok"}:
        raise SystemExit(f"{spec}: episodes failed, so its time says nothing")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


# ---- the parts -------------------------------------------------------------------------------------------------


class Method(NamedTuple):
    """A controller to compare with the plain replay of the same method."""

    label: str
    spec: str
    """The controller, as for `autotts evaluate`."""
    beta: float | None
    name: str
    """Key in `benchmarks.naive.METHODS`."""
    limit: float | None
    """Limit of the ratio on the published grid of 30 questions; None if there is none."""

    @property
    def settings(self) -> dict[str, float]:
        """The method's arguments."""
        return {} if self.beta is None else {"beta": self.beta}


COMPARED = (
    Method("CMC β=0.5", "cmc", 0.5, "cmc", 1.9),
    Method("CMC β=1", "cmc", 1.0, "cmc", 1.9),
    Method("Parallel-Probe(64)", "parallel_probe:branches=64", None, "parallel_probe", 1.5),
    Method("surge β=0.5", "surge", 0.5, "surge", None),
    Method("SC@64", "sc:branches=64", None, "sc", None),
    Method("ASC(64)", "asc:max_branches=64,threshold=0.95", None, "asc", None),
    Method("ESC(64, 8)", "esc:max_branches=64,window=8", None, "esc", None),
)


def ratio(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Compare on the published grid: 30 questions, 100 repeats."""
    yield from _compared(paths[MODEL], pairs, REPEATS, {each: each.limit for each in COMPARED})


def wide(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Compare on 270 questions, nine copies of the published ones: a process plays more episodes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.parquet"
        write_repeated(Path(paths[MODEL]), path, 9)
        yield from _compared(str(path), pairs, max(1, REPEATS // 9), dict.fromkeys(COMPARED, 1.5))


def _compared(path: str, pairs: int, repeats: int, limits: Mapping[Method, float | None]) -> Iterator[Line]:
    questions = naive_episode.read(path)
    with one_core(), Evaluator(EvaluationSettings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as evaluator:
        for method, limit in limits.items():
            ours, plain = [], []
            for _ in range(pairs):
                plain.append(measure(lambda: naive.play(method.name, questions, repeats, **method.settings)))  # noqa: B023
                ours.append(measure(lambda: evaluate(evaluator, path, method.spec, method.beta, repeats)))  # noqa: B023
            walls = [a.wall / b.wall for a, b in zip(ours, plain, strict=True)]
            cpus = [a.cpu / b.cpu for a, b in zip(ours, plain, strict=True)]
            seconds = statistics.median(cost.wall for cost in ours), statistics.median(cost.wall for cost in plain)
            measured = f"{spread(walls)}; {seconds[0]:.2f} s : {seconds[1]:.2f} s; host's processor time {spread(cpus)}"
            what = f"{method.label}, {len(questions)} questions: sandboxed / naive"
            if limit is None:
                yield Line(what, measured)
            else:
                yield Line(what, measured, f"≤ {limit:g}", statistics.median(walls) <= limit, asserted=True)


def release(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Compare a controller written for the AutoTTS release, through the adapter, with the release's replay in process.

    Both sides start a new process for each evaluation, and so include the imports of the controller's file.
    """
    terms = Terms(max_branches=NO_CEILING, repeats_last=True)
    settings = EvaluationSettings(terms=terms, limits=PATIENT, api="autotts", show_answers=True)
    with one_core(), Evaluator(settings, sandbox="bubblewrap", jobs=1) as evaluator:
        for beta in (0.5, 1.0):
            ratios, seconds = [], []
            for _ in range(pairs):
                plain, _ = _apart(partial(_play_released, beta), paths[MODEL])
                ours = measure(lambda: evaluate(evaluator, paths[MODEL], str(RELEASED), beta, RELEASED_REPEATS)).wall  # noqa: B023
                ratios.append(ours / plain)
                seconds.append((ours, plain))
            ours, plain = (statistics.median(column) for column in zip(*seconds, strict=True))
            measured = f"{spread(ratios)}; {ours:.2f} s : {plain:.2f} s"
            what = f"release's CMC β={beta:g}, {RELEASED_REPEATS} repeats: adapter / in process"
            yield Line(what, measured)


def jobs(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Compare one job with two, at three times the usual repeats, so that the start of a job is a small part."""
    repeats = 3 * REPEATS
    with (
        Evaluator(EvaluationSettings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as one,
        Evaluator(EvaluationSettings(limits=PATIENT), sandbox="bubblewrap", jobs=2) as two,
    ):
        evaluate(two, paths[MODEL], "cmc", 0.0, 8)
        ratios, seconds = [], []
        for _ in range(pairs):
            with one_core():
                alone = measure(lambda: evaluate(one, paths[MODEL], "cmc", 1.0, repeats)).wall
            together = measure(lambda: evaluate(two, paths[MODEL], "cmc", 1.0, repeats)).wall
            ratios.append(alone / together)
            seconds.append(together)
    median = statistics.median(ratios)
    measured = f"{spread(ratios)}; {statistics.median(seconds):.2f} s on two"
    yield Line("CMC β=1, 300 repeats: one job / two jobs", measured, "≥ 1.8", median >= 1.8, asserted=True)


def sweep(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Time a whole sweep of CMC over all published grids."""
    betas = tuple(round(0.1 * i, 1) for i in range(11))
    plan = Plan(Candidate.parse("cmc"), tuple(paths.values()), betas, REPEATS, frozenset({0.0, 0.5, 1.0}))
    with Evaluator(EvaluationSettings(limits=PATIENT), sandbox="bubblewrap", jobs=2) as evaluator:
        cost = measure(lambda: evaluator.evaluate([plan]))
    what = f"sweep of CMC: {len(paths)} grids × 11 β × {REPEATS} repeats, two jobs"
    yield Line(what, f"{cost.wall:.1f} s", "< 75 s", cost.wall < 75)


def load(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Time the first and the later loads of a grid."""
    with tempfile.TemporaryDirectory() as cache, _cache(cache):
        first = measure(lambda: Grid.load(paths[MODEL])).wall
        again = statistics.median(measure(lambda: Grid.load(paths[MODEL])).wall for _ in range(20))
    yield Line("load of a grid, first time", f"{1000 * first:.0f} ms")
    yield Line("load of a grid, mapped", f"{1000 * again:.1f} ms", "< 50 ms", again < 0.05)


def large(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Build large grids' caches and play them, each in a new process, so that its peak memory can be measured."""
    with tempfile.TemporaryDirectory() as folder, _cache(folder):
        times: dict[int, float] = {}
        for questions in (250, 500, 1000):
            path = Path(folder) / f"{questions}.parquet"
            write_synthetic(path, questions, 128, 80)
            built, built_peak = _apart(_load_large, str(path))
            (times[questions], worker), played_peak = _apart(_play_large, str(path))
            yield Line(
                f"{questions:,} × 128 × 80, CMC β=0.5, 2 repeats",
                f"first load {built:.1f} s, {built_peak:.0f} MiB; play {times[questions]:.1f} s, "
                f"host {played_peak:.0f} MiB, largest worker {worker:.0f} MiB",
            )
    growth = times[1000] / times[250]
    yield Line("time for 4 times the questions", f"{growth:.2f} times", "≤ 5", growth <= 5, asserted=True)


def _apart(action: Callable[[str], Any], path: str) -> tuple[Any, float]:
    """Run an action in a new process; returns its result and the process's peak memory in MiB."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        result = pool.submit(action, path).result()
        return result, pool.submit(_peak).result()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _play_released(beta: float, path: str) -> float:
    return measure(lambda: released.play(RELEASED, Path(path), beta, RELEASED_REPEATS)).wall


def _load_large(path: str) -> float:
    return measure(lambda: Grid.load(path)).wall


def _play_large(path: str) -> tuple[float, float]:
    """Play a grid; returns the seconds and the largest peak memory of a sandboxed worker in MiB."""
    largest, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal largest
        while not over.wait(0.1):
            largest = max(largest, *_sandboxed_peaks(), 0.0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with Evaluator(EvaluationSettings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as evaluator:
        played = measure(lambda: evaluate(evaluator, path, "cmc", 0.5, 2)).wall
    over.set()
    watcher.join()
    return played, largest


def _sandboxed_peaks() -> Iterator[float]:
    """Peak memory in MiB of each descendant of this process that bubblewrap started."""
    parents, peaks, names = {}, {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid], names[pid] = int(fields["PPid"]), fields["Name"].strip()
        peaks[pid] = int(fields["VmHWM"].split()[0]) / 1024 if "VmHWM" in fields else 0.0
    for pid, peak in peaks.items():
        above, inside = parents[pid], False
        while above in parents and above != os.getpid():
            inside |= names[above] == "bwrap"
            above = parents[above]
        if inside and above == os.getpid():
            yield peak


def write_repeated(source: Path, target: Path, times: int) -> None:
    """Write a grid with `times` copies of another grid's questions; each copy's texts end in its number."""
    table = pq.read_table(source)
    count = pc.max(table.column("question_id")).as_py() + 1
    copies = []
    for copy in range(times):
        ids = pc.add(table.column("question_id"), pa.scalar(copy * count, table.column("question_id").type))
        texts = pc.binary_join_element_wise(table.column("question").cast(pa.string()), str(copy), " ")
        part = table.set_column(table.schema.get_field_index("question_id"), "question_id", ids)
        copies.append(part.set_column(table.schema.get_field_index("question"), "question", texts))
    pq.write_table(pa.concat_tables(copies).replace_schema_metadata(table.schema.metadata), target)


def write_synthetic(path: Path, questions: int, branches: int, intervals: int) -> None:
    """Write a random grid in which 40 % of the answers are the gold one.

    It is made as Arrow columns, since a list of its rows would not fit into memory.
    """
    rng = np.random.default_rng(0)
    rows = questions * branches
    spellings = pa.array([str(number) for number in range(100, 150)])
    codes = np.where(rng.random(rows * intervals) < 0.4, 0, rng.integers(1, 50, rows * intervals)).astype(np.int32)
    finals = np.where(rng.random(rows) < 0.4, 0, rng.integers(1, 50, rows)).astype(np.int32)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * intervals)
    asked = np.repeat(np.arange(questions, dtype=np.int32), branches)
    columns = {
        "question_id": pa.array(asked),
        "question": pa.DictionaryArray.from_arrays(asked, pa.array([f"question {n}" for n in range(questions)])),
        "gold_answer": pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), spellings),
        "branch": pa.array(np.tile(np.arange(branches, dtype=np.int32), questions)),
        "tokens": pa.array((500 * intervals + rng.integers(1, 500, rows)).astype(np.int32)),
        "final_answer": spellings.take(pa.array(finals)),
        "probe_answers": pa.ListArray.from_arrays(offsets, spellings.take(pa.array(codes))),
    }
    metadata = {grid_schema.FORMAT: grid_schema.FORMAT_VERSION, grid_schema.INTERVAL: b"500"}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, compression="zstd")


@contextlib.contextmanager
def _cache(folder: str) -> Iterator[None]:
    """Set AUTOTTS_CACHE for the block."""
    before = os.environ.get("AUTOTTS_CACHE")
    os.environ["AUTOTTS_CACHE"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["AUTOTTS_CACHE"]
        else:
            os.environ["AUTOTTS_CACHE"] = before


def main() -> None:
    """Parse the arguments, run the parts and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the published replay data")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each side of a ratio")
    parser.add_argument("--parts", default=",".join(PARTS), help="some parts only, separated by commas")
    parser.add_argument("--assert", dest="asserted", action="store_true", help="fail where a ratio misses its limit")
    given = parser.parse_args()
    parts = {
        "ratio": ratio, "wide": wide, "release": release, "jobs": jobs, "sweep": sweep, "load": load,
        "large": large,
    }  # fmt: skip
    missed = False
    with tempfile.TemporaryDirectory() as out, _cache(f"{out}/cache"):
        paths = {done.source.parent.name: str(done.target) for done in import_folder(given.folder, Path(out))}
        for path in paths.values():
            Grid.load(path)
        for name in given.parts.split(","):
            for line in parts[name](paths, given.pairs):
                verdict = "" if line.ok is None else f"{line.limit}: {'holds' if line.ok else 'MISSED'}"
                print(f"{line.what:<62} {line.measured}  {verdict}", flush=True)
                missed |= line.asserted and line.ok is False
    sys.exit(1 if missed and given.asserted else 0)


if __name__ == "__main__":
    main()
