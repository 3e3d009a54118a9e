"""How long a candidate waits for its sandbox: cold, and warm, when the pool has one ready.

usage: python benchmarks/sandbox_ready.py [--sandbox bubblewrap|docker|process …] [--times 30]

Two moments are timed from the asking on: the sandbox is *handed over*, and *ready*: its first process has answered
that the candidate is compiled. Warm, the pool was given time to start the next sandbox, as it has while a candidate is
played. Prints one JSON object a backend, in milliseconds.
"""

import argparse
import json
import statistics
import time

from sandbox.backends.base import Backend, Limits, Running
from sandbox.backends.choose import BACKENDS, why_not
from sandbox.backends.pool import WarmBackend
from sandbox.conformance.try_out import HONEST
from sandbox.host import Host

PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)


class Timed:
    """A backend that notes when a sandbox was handed over."""

    def __init__(self, backend: Backend) -> None:
        self.name, self._backend, self.handed_over = backend.name, backend, 0.0

    def launch(self, limits: Limits) -> Running:
        running = self._backend.launch(limits)
        self.handed_over = time.perf_counter()
        return running

    def close(self) -> None:
        self._backend.close()


def waits(backend: Backend, times: int, pause: float) -> tuple[list[float], list[float]]:
    """Milliseconds until a sandbox is handed over, and until it is ready; the first round is not counted."""
    timed, handed_over, ready = Timed(backend), [], []
    for number in range(times + 1):
        time.sleep(pause)
        began = time.perf_counter()
        with Host(timed, PATIENT, HONEST) as host:
            host.start()
            if number:
                ready.append((time.perf_counter() - began) * 1000)
                handed_over.append((timed.handed_over - began) * 1000)
    backend.close()
    return handed_over, ready


def summary(values: list[float]) -> dict[str, float]:
    """Median, the slowest but a twentieth, and the slowest."""
    ordered = sorted(values)
    twentieth = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {
        "median": round(statistics.median(ordered), 1),
        "95 %": round(twentieth, 1),
        "slowest": round(ordered[-1], 1),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sandbox", choices=list(BACKENDS), action="append")
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--pause", type=float, default=1.5, help="seconds that the pool has to start the next sandbox")
    asked = parser.parse_args()
    for name in asked.sandbox or [name for name in BACKENDS if why_not(name) is None]:
        said: dict[str, object] = {"sandbox": name, "times": asked.times}
        for kind, backend, pause in (
            ("cold", BACKENDS[name](), 0.0),
            ("warm", WarmBackend(BACKENDS[name]()), asked.pause),
        ):
            handed_over, ready = waits(backend, asked.times, pause)
            said |= {f"{kind}, handed over": summary(handed_over), f"{kind}, ready": summary(ready)}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
