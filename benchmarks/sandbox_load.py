"""Load test of a sandbox: many candidates, a quarter of them hostile, and a check for leaked resources.

usage: python benchmarks/sandbox_load.py [--sandbox bubblewrap|docker] [--candidates 500] [--at-a-time 50]

`--at-a-time 1` plays them one after another. Every fourth candidate is the next case of the conformance suite, the
others are an honest one. Resources are counted before and after: processes (orphans are reparented to this process,
which is made a subreaper), descriptors, files in a temporary folder of its own, control groups, containers and memory;
for an engine on this machine also its processes, descriptors and memory. Prints one JSON object.

Fails if a resource leaked, or if an honest candidate did not score exactly as it does alone.
"""

import argparse
import ctypes
import gc
import json
import os
import socket
import struct
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox.backends import docker
from sandbox.backends.base import Backend, Limits
from sandbox.backends.choose import cold_backend
from sandbox.conformance.playing import HONEST, fingerprint, play
from sandbox.conformance.run import CASES, judge, observe
from sandbox.conformance.targets import Targets, make_targets
from sandbox.host import InfrastructureError

PATIENT = Limits(reply_seconds=300.0, repeat_seconds=600.0, start_seconds=300.0)
"""Long limits: fifty sandboxes may share one core, and honest candidates must not fail for that."""

WARM_UP = 3
"""Candidates for each of those at a time that are played before the first count: they start threads and import."""

GROWTH_KB = 60
"""Accepted growth of resident memory in kB for each candidate. Honest ones cause none; floods and long texts fragment
the heap of the thread that read them, up to the largest text."""

_SET_CHILD_SUBREAPER = 36


def count(client: Any, engine: int | None) -> dict[str, int]:
    """Amounts of the resources that could leak, by name.

    `client` is the Docker client, `engine` the engine's process id; None where there is none.
    """
    containers = len(docker.own_containers(client)) if client is not None else 0
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    ours = len("".join(task.joinpath("children").read_text() for task in Path("/proc/self/task").iterdir()).split())
    counts = {
        "processes": ours,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "temporary files": sum(1 for _ in Path(tempfile.gettempdir()).rglob("*")),
        "control groups": sum(1 for _ in Path("/sys/fs/cgroup").glob(f"**/autotts-{os.getpid()}-*")),
        "containers": containers,
        "memory kB": resident(os.getpid()),
    }
    if engine is not None:
        everyone = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
        counts["engine's shims"] = sum(name(path).startswith(("containerd-shim", "conmon")) for path in everyone)
        counts["engine's descriptors"] = len(os.listdir(f"/proc/{engine}/fd"))
        counts["engine's memory kB"] = resident(engine)
    return counts


def name(process: Path) -> str:
    """Name of a process, from its folder in /proc; empty if it has ended."""
    try:
        return (process / "comm").read_text()
    except OSError:
        return ""


def resident(pid: int) -> int:
    """Resident memory of a process, in kB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def engine_process() -> int | None:
    """Process id of the engine at DOCKER_HOST; None if it is not a process of this machine or may not be inspected."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(host.removeprefix("unix://"))
        pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid if pid > 1 and os.access(f"/proc/{pid}/fd", os.R_OK) else None


def one(backend: Backend, targets: Targets, number: int, alone: bytes) -> tuple[bool, str]:
    """Play candidate `number`; returns whether it was hostile, and the error in its outcome, empty if there is none.

    `alone` is the fingerprint of the honest candidate when it is played alone.
    """
    if number % 4 == 3:
        case = CASES[number // 4 % len(CASES)]
        try:
            problem = judge(case, observe(list(play(backend, targets.candidate(case), targets.grid, case.limits))))
        except InfrastructureError as error:
            problem = f"infrastructure error: {error}"
        return True, f"{case.name}: {problem}" if problem else ""
    same = fingerprint(play(backend, HONEST, targets.grid, PATIENT)) == alone
    return False, "" if same else "scored otherwise than alone"


def at_rest(client: Any, engine: int | None) -> dict[str, int]:
    """The counts once they no longer fall, since an engine cleans up after a container has ended."""
    counts, deadline = count(client, engine), time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(2.0)
        earlier, counts = counts, count(client, engine)
        if not any(counts[what] < amount for what, amount in earlier.items() if not what.endswith("kB")):
            break
    return counts


def leaks(before: dict[str, int], after: dict[str, int], candidates: int) -> list[str]:
    """Names of the counts that have grown; of memory, by more than `GROWTH_KB` a candidate."""
    leaked = []
    for what, amount in after.items():
        allowed = GROWTH_KB * candidates if what.endswith("kB") else 0
        # An engine may keep up to 40 more idle connections and buffers.
        allowed = 40 if what == "engine's descriptors" else allowed
        if amount - before[what] > allowed:
            leaked.append(what)
    return leaked


def main() -> None:
    """Parse the arguments, play the candidates and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sandbox", choices=["bubblewrap", "docker"], default="bubblewrap")
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--at-a-time", type=int, default=1)
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    client = docker.connect() if asked.sandbox == "docker" else None
    engine = engine_process() if client is not None else None
    backend = cold_backend(asked.sandbox)
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        with make_targets() as targets, ThreadPoolExecutor(asked.at_a_time) as pool:
            alone = fingerprint(play(backend, HONEST, targets.grid, PATIENT))
            for _ in pool.map(
                lambda number: one(backend, targets, number * 4, alone), range(WARM_UP * max(10, asked.at_a_time))
            ):
                pass
            backend.close()
            before = at_rest(client, engine)
            began = time.perf_counter()
            outcomes = list(pool.map(lambda number: one(backend, targets, number, alone), range(asked.candidates)))
            seconds = time.perf_counter() - began
            backend.close()
            after = at_rest(client, engine)
    honest = [wrong for hostile, wrong in outcomes if not hostile]
    hostile = [wrong for is_hostile, wrong in outcomes if is_hostile]
    leaked = leaks(before, after, asked.candidates)
    result = {
        "sandbox": asked.sandbox,
        "candidates": asked.candidates,
        "at a time": asked.at_a_time,
        "seconds": round(seconds, 1),
        "honest": len(honest),
        "honest that scored otherwise than alone": sum(map(bool, honest)),
        "hostile": len(hostile),
        "hostile that ended otherwise than expected": sorted(filter(None, hostile)),
        "before": before,
        "after": after,
        "leaked": leaked,
    }
    print(json.dumps(result, indent=1))
    sys.exit(1 if leaked or any(honest) else 0)


if __name__ == "__main__":
    main()
