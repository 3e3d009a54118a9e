"""Candidates one after another and many at a time, a quarter of them hostile: does anything leak, and does it matter?

usage: python benchmarks/sandbox_load.py [--sandbox bubblewrap|docker] [--one-by-one 500] [--together 50]

Prints how long a sandbox took to be ready, and what was left behind: processes, descriptors, temporary files,
containers and memory. Fails if anything was, or if an honest candidate did not score exactly as it does alone.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.backends import docker
from sandbox.backends.base import Backend, Limits
from sandbox.backends.choose import BACKENDS
from sandbox.backends.pool import WarmBackend
from sandbox.candidate import Candidate
from sandbox.conformance.run import CASES, HONEST, World, fingerprint, play, world
from sandbox.host import Host

HOSTILE = [case for case in CASES if not case.slow and case.group != "secrets"]
PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)


def left_behind(client: object) -> dict[str, int]:
    """What could leak, counted."""
    children = [task.joinpath("children").read_text() for task in Path("/proc/self/task").iterdir()]
    return {
        "processes": len("".join(children).split()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "temporary files": len(list(Path(tempfile.gettempdir()).glob("autotts-*"))),
        "containers": len(docker.own_containers(client)) if client is not None else 0,
    }


def one(backend: Backend, targets: World, number: int, alone: bytes) -> bool:
    """Play candidate `number`; returns whether it was honest and scored otherwise than alone."""
    if number % 4 == 0:
        case = HOSTILE[number // 4 % len(HOSTILE)]
        play(backend, targets.candidate(case), targets.grid, case.limits)
        return False
    return fingerprint(play(backend, HONEST, targets.grid, PATIENT)) != alone


def ready_times(backend: Backend, count: int) -> list[float]:
    """Milliseconds from asking for a sandbox to a compiled candidate, with time to warm up in between."""
    times = []
    for _ in range(count):
        time.sleep(1.0)
        began = time.perf_counter()
        with Host(backend, PATIENT, Candidate("x", HONEST.source)) as host:
            host.start()
            times.append((time.perf_counter() - began) * 1000)
    return times[1:]


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sandbox", choices=["bubblewrap", "docker"], default="bubblewrap")
    parser.add_argument("--one-by-one", type=int, default=500)
    parser.add_argument("--together", type=int, default=50)
    asked = parser.parse_args()
    client = docker.connect() if asked.sandbox == "docker" else None
    bare = BACKENDS[asked.sandbox]()
    with world() as targets:
        alone = fingerprint(play(bare, HONEST, targets.grid, PATIENT))
        bare.close()
        before, memory = left_behind(client), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        warm = WarmBackend(bare)
        times = sorted(ready_times(warm, 21))
        print(f"ready when warm: median {statistics.median(times):.0f} ms, slowest {times[-1]:.0f} ms")
        warm.close()
        began = time.perf_counter()
        wrong = sum(one(bare, targets, number, alone) for number in range(asked.one_by_one))
        seconds = time.perf_counter() - began
        print(f"{asked.one_by_one} one after another: {seconds:.0f} s, {wrong} scored otherwise", flush=True)
        began = time.perf_counter()
        with ThreadPoolExecutor(asked.together) as pool:
            together = list(pool.map(lambda number: one(bare, targets, number, alone), range(asked.one_by_one)))
        seconds = time.perf_counter() - began
        print(f"{asked.one_by_one}, {asked.together} at a time: {seconds:.0f} s, {sum(together)} scored otherwise")
        bare.close()
        after = left_behind(client)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        left = {name: after[name] - count for name, count in before.items()}
        print(f"left behind: {left}, memory +{grown / 1024:.0f} MB")
    leaked = [name for name in ("processes", "containers") if after[name] > before[name]]
    raise SystemExit(1 if wrong or sum(together) or leaked else 0)


if __name__ == "__main__":
    main()
