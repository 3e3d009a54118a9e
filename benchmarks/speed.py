"""How fast is evaluation, against the plain in-process replay of `benchmarks/naive.py`?

    python -m benchmarks.speed PUBLISHED_FOLDER [--pairs 5] [--parts ratio,jobs,…] [--assert]

Every ratio is the median over interleaved pairs measured in this one run, so that what else the machine does falls on
both sides. Evaluations are sandboxed, one process a repeat, with the traces of repeat 0, as `autotts discover` runs
them. With --assert the exit status is 1 where a ratio misses its limit; absolute times are compared with theirs and
shown, but machines differ.

Parts: ratio (CMC and Parallel-Probe on one core), absolute (SC, ASC, ESC on one core), release (a controller written
for the AutoTTS release, through the adapter), jobs (two against one), sweep
(4 grids × 11 β × 100 repeats of CMC on two jobs), load (a grid's load), large (1,000 questions × 128 branches × 80
intervals, and its halves: time and peak memory).
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
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import naive
from benchmarks import release as released
from envdata import gridcheck
from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.published import import_folder
from graph.cli.options import NO_CEILING
from sandbox.backends.base import Limits
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.playing import Settings

MODEL = "Qwen3-1.7B"
REPEATS = 100
PATIENT = Limits(reply_seconds=120, repeat_seconds=600, start_seconds=120)
"""A busy machine shows in the figures; it is no failure."""
PARTS = ("ratio", "absolute", "release", "jobs", "sweep", "load", "large")
RELEASED = Path(__file__).with_name("release_cmc.py")
RELEASED_REPEATS = 100


class Line(NamedTuple):
    """A line of the table."""

    what: str
    found: str
    limit: str = ""
    ok: bool | None = None
    """None where there is no limit."""
    asserted: bool = False


class Cost(NamedTuple):
    """What something took, in seconds."""

    wall: float
    cpu: float
    """Processor time of this process alone: of a sandboxed evaluation, the host's side."""


def measure(action: Callable[[], object]) -> Cost:
    started, cpu = time.perf_counter(), _cpu()
    action()
    return Cost(time.perf_counter() - started, _cpu() - cpu)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Hold this process, and those that it starts, to one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def evaluate(evaluator: Evaluator, path: str, spec: str, beta: float | None, repeats: int = REPEATS) -> None:
    """One sandboxed evaluation; nothing may fail in it."""
    betas = None if beta is None else (beta,)
    plan = Plan(Candidate.parse(spec), (path,), betas, repeats, frozenset({1.0 if beta is None else beta}))
    episodes = evaluator.evaluate([plan]).episodes
    if set(episodes.column("status").to_pylist()) != {"ok"}:
        raise SystemExit(f"{spec}: episodes failed, so its time says nothing")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


# ---- the parts -------------------------------------------------------------------------------------------------


def ratio(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    questions = naive.read(paths[MODEL])
    with one_core(), Evaluator(Settings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as evaluator:
        for label, name, spec, beta in (
            ("CMC β=0.5", "cmc", "cmc", 0.5),
            ("CMC β=1", "cmc", "cmc", 1.0),
            ("Parallel-Probe(64)", "parallel_probe", "parallel_probe:branches=64", None),
        ):
            settings = {} if beta is None else {"beta": beta}
            ours, plain = [], []
            for _ in range(pairs):
                plain.append(measure(lambda: naive.play(name, questions, REPEATS, **settings)))  # noqa: B023
                ours.append(measure(lambda: evaluate(evaluator, paths[MODEL], spec, beta)))  # noqa: B023
            walls = [a.wall / b.wall for a, b in zip(ours, plain, strict=True)]
            cpus = [a.cpu / b.cpu for a, b in zip(ours, plain, strict=True)]
            seconds = statistics.median(cost.wall for cost in ours), statistics.median(cost.wall for cost in plain)
            found = f"{spread(walls)}; {seconds[0]:.2f} s : {seconds[1]:.2f} s; host's processor time {spread(cpus)}"
            yield Line(f"{label}: sandboxed / naive", found, "≤ 1.3", statistics.median(walls) <= 1.3, asserted=True)


def absolute(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    with one_core(), Evaluator(Settings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as evaluator:
        for label, spec in (
            ("SC@64", "sc:branches=64"),
            ("ASC(64)", "asc:max_branches=64,threshold=0.95"),
            ("ESC(64, 8)", "esc:max_branches=64,window=8"),
        ):
            costs = [measure(lambda: evaluate(evaluator, paths[MODEL], spec, None)) for _ in range(pairs)]  # noqa: B023
            walls = [cost.wall for cost in costs]
            processor = statistics.median(cost.cpu for cost in costs)
            found = f"{spread(walls)} s; host's processor time {processor:.2f} s"
            yield Line(f"{label}: seconds", found, "< 0.8 s", statistics.median(walls) < 0.8)


def release(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """A controller written for the AutoTTS release, through the adapter and in process.

    Each side imports what the file imports once: the sandbox starts anew for an evaluation, and so does the process.
    """
    terms = Terms(max_branches=NO_CEILING, repeats_last=True)
    settings = Settings(terms=terms, limits=PATIENT, api="autotts", show_answers=True)
    with one_core(), Evaluator(settings, sandbox="bubblewrap", jobs=1) as evaluator:
        for beta in (0.5, 1.0):
            ratios, seconds = [], []
            for _ in range(pairs):
                plain, _ = _apart(partial(_play_released, beta), paths[MODEL])
                ours = measure(lambda: evaluate(evaluator, paths[MODEL], str(RELEASED), beta, RELEASED_REPEATS)).wall  # noqa: B023
                ratios.append(ours / plain)
                seconds.append((ours, plain))
            ours, plain = (statistics.median(column) for column in zip(*seconds, strict=True))
            found = f"{spread(ratios)}; {ours:.2f} s : {plain:.2f} s"
            what = f"release's CMC β={beta:g}, {RELEASED_REPEATS} repeats: adapter / in process"
            yield Line(what, found, "≤ 1.5", statistics.median(ratios) <= 1.5, asserted=True)


def jobs(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Three times the usual repeats, so that both sides are long against what a job costs to get going."""
    repeats = 3 * REPEATS
    with (
        Evaluator(Settings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as one,
        Evaluator(Settings(limits=PATIENT), sandbox="bubblewrap", jobs=2) as two,
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
    found = f"{spread(ratios)}; {statistics.median(seconds):.2f} s on two"
    yield Line("CMC β=1, 300 repeats: one job / two jobs", found, "≥ 1.8", median >= 1.8, asserted=True)


def sweep(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    betas = tuple(round(0.1 * i, 1) for i in range(11))
    plan = Plan(Candidate.parse("cmc"), tuple(paths.values()), betas, REPEATS, frozenset({0.0, 0.5, 1.0}))
    with Evaluator(Settings(limits=PATIENT), sandbox="bubblewrap", jobs=2) as evaluator:
        cost = measure(lambda: evaluator.evaluate([plan]))
    what = f"sweep of CMC: {len(paths)} grids × 11 β × {REPEATS} repeats, two jobs"
    yield Line(what, f"{cost.wall:.1f} s", "< 75 s", cost.wall < 75)


def load(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as cache, _cache(cache):
        first = measure(lambda: Grid.load(paths[MODEL])).wall
        again = statistics.median(measure(lambda: Grid.load(paths[MODEL])).wall for _ in range(20))
    yield Line("load of a grid, first time", f"{1000 * first:.0f} ms")
    yield Line("load of a grid, mapped", f"{1000 * again:.1f} ms", "< 50 ms", again < 0.05)


def large(paths: dict[str, str], pairs: int) -> Iterator[Line]:
    """Building a large grid's cache, and playing it, each in a process of its own: its peak memory is its own then."""
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
    """What an action returns in a fresh process, and that process's peak memory in MiB."""
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
    """Seconds, and the largest peak of a sandboxed worker in MiB."""
    largest, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal largest
        while not over.wait(0.1):
            largest = max(largest, *_sandboxed_peaks(), 0.0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with Evaluator(Settings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as evaluator:
        played = measure(lambda: evaluate(evaluator, path, "cmc", 0.5, 2)).wall
    over.set()
    watcher.join()
    return played, largest


def _sandboxed_peaks() -> Iterator[float]:
    """Peak memory in MiB of each descendant of this process that bubblewrap started."""
    parents, peaks, names = {}, {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            said = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        pid = int(status.parent.name)
        parents[pid], names[pid] = int(said["PPid"]), said["Name"].strip()
        peaks[pid] = int(said["VmHWM"].split()[0]) / 1024 if "VmHWM" in said else 0.0
    for pid, peak in peaks.items():
        above, inside = parents[pid], False
        while above in parents and above != os.getpid():
            inside |= names[above] == "bwrap"
            above = parents[above]
        if inside and above == os.getpid():
            yield peak


def write_synthetic(path: Path, questions: int, branches: int, intervals: int) -> None:
    """A grid with the gold answer in four of ten places, written as Arrow columns: its rows would not fit in lists."""
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
    metadata = {gridcheck.FORMAT: gridcheck.FORMAT_VERSION, gridcheck.INTERVAL: b"500"}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, compression="zstd")


@contextlib.contextmanager
def _cache(folder: str) -> Iterator[None]:
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the published replay data")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each side of a ratio")
    parser.add_argument("--parts", default=",".join(PARTS), help="some parts only, separated by commas")
    parser.add_argument("--assert", dest="asserted", action="store_true", help="fail where a ratio misses its limit")
    given = parser.parse_args()
    parts = {
        "ratio": ratio, "absolute": absolute, "release": release, "jobs": jobs, "sweep": sweep, "load": load,
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
                print(f"{line.what:<62} {line.found}  {verdict}", flush=True)
                missed |= line.asserted and line.ok is False
    sys.exit(1 if missed and given.asserted else 0)


if __name__ == "__main__":
    main()
