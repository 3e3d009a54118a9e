"""Measures how long a candidate waits for its sandbox: cold, and warm, when the pool has a spare one.

usage: python benchmarks/sandbox_ready.py [--sandbox bubblewrap|docker|process …] [--times 30]

Two times are measured from the request: until the sandbox is *handed over*, and until it is *ready*, which means that
its first process has reported the candidate as compiled. For the warm figures the pool has time to start the next
sandbox, as it has while a candidate is played. Prints one JSON object a backend, in milliseconds.
"""

import argparse
import json
import statistics
import time

from sandbox.backends.base import Backend, Limits, RunningSandbox
from sandbox.backends.choose import BACKENDS, cold_backend
from sandbox.backends.pool import WarmBackend
from sandbox.conformance.playing import HONEST
from sandbox.host import Host

PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)


class Timed:
    """A backend that records the time at which it handed a sandbox over."""

    def __init__(self, backend: Backend) -> None:
        self.name, self._backend, self.handed_over = backend.name, backend, 0.0

    def launch(self, limits: Limits) -> RunningSandbox:
        running = self._backend.launch(limits)
        self.handed_over = time.perf_counter()
        return running

    def close(self) -> None:
        self._backend.close()


def waits(backend: Backend, times: int, pause: float) -> tuple[list[float], list[float]]:
    """Milliseconds until each sandbox is handed over, and until it is ready.

    Args:
        backend: The backend, closed at the end.
        times: Number of sandboxes, besides a first one that is not counted.
        pause: Seconds to wait before each request.
    """
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
    """Median, 95th percentile and maximum."""
    ordered = sorted(values)
    percentile = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {
        "median": round(statistics.median(ordered), 1),
        "95 %": round(percentile, 1),
        "slowest": round(ordered[-1], 1),
    }


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sandbox", choices=BACKENDS.names(), action="append")
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--pause", type=float, default=1.5, help="seconds that the pool has to start the next sandbox")
    asked = parser.parse_args()
    for name in asked.sandbox or [name for name in BACKENDS.names() if cold_backend(name).why_not() is None]:
        result: dict[str, object] = {"sandbox": name, "times": asked.times}
        for kind, backend, pause in (
            ("cold", cold_backend(name), 0.0),
            ("warm", WarmBackend(cold_backend(name)), asked.pause),
        ):
            handed_over, ready = waits(backend, asked.times, pause)
            result |= {f"{kind}, handed over": summary(handed_over), f"{kind}, ready": summary(ready)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
