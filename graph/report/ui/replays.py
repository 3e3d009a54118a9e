"""Any episode of a run, played again from its code and its grid, in the sandbox, with its trace."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from envdata.grid import Grid
from graph.report.page.grid_view import orders
from graph.report.page.stored_traces import SearchGrids, kinds_by_question
from graph.report.page.trace_events import trace_events
from graph.run.candidates import source_of
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned, check_grids
from graph.run.settings import RunSettings
from sandbox.backends.choose import make_backend
from sandbox.candidate import SHIPPED, Candidate
from sandbox.evaluate import TRACES
from sandbox.replay_player import Player, Repeat
from sandbox.run_secret import load_secret

KEPT = 64
"""Repeats whose episodes are kept."""


class ReplayError(ValueError):
    """What was asked for cannot be replayed; the message says why."""


@dataclass(frozen=True)
class Wanted:
    """One repeat of one controller on one search grid at one β."""

    controller: str
    grid: int
    beta: float | None
    repeat: int

    @classmethod
    def read(cls, said: Any, settings: RunSettings) -> "Wanted":
        """Check a request's JSON against the run's settings. Raises ReplayError, which names the value."""
        if not isinstance(said, dict) or set(said) != {"controller", "grid", "beta", "repeat"}:
            raise ReplayError("a replay is asked for with controller, grid, beta and repeat, and nothing else")
        controller, grid, beta, repeat = said["controller"], said["grid"], said["beta"], said["repeat"]
        if not isinstance(controller, str):
            raise ReplayError(f"controller is {controller!r}; give the label of one of the run's")
        for name, value, limit in (("grid", grid, len(settings.grids)), ("repeat", repeat, settings.repeats)):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
                raise ReplayError(f"{name} is {value!r}; this run has 0 … {limit - 1}")
        if beta is not None and (isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 <= beta <= 1):
            raise ReplayError(f"beta is {beta!r}; give a number from 0 to 1, or null for a controller that ignores it")
        return cls(controller, grid, None if beta is None else float(beta), repeat)


@dataclass
class Replays:
    """Replays of one run's episodes; one at a time, the latest kept."""

    run: RunFolder
    sandbox: str = "auto"
    """A backend's name. Not the run's: who made its folder does not choose how its code is isolated here."""
    _kept: "OrderedDict[Wanted, dict[str, Any]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stages: SearchGrids | None = None

    def replay(self, said: Any) -> dict[str, Any]:
        """The episodes of a repeat: `plays` and `kinds` by question, and the `orders` in which branches are opened.

        Raises ReplayError, GridError, SandboxUnavailable, InfrastructureError.
        """
        pinned = Pinned.load(self.run.settings)
        wanted = Wanted.read(said, pinned.settings)
        with self._lock:
            if wanted not in self._kept:
                self._kept[wanted] = self._play(wanted, pinned)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(wanted)
            return self._kept[wanted]

    def _play(self, wanted: Wanted, pinned: Pinned) -> dict[str, Any]:
        settings = pinned.settings
        candidate = self._candidate(wanted.controller, settings)
        check_grids(pinned, settings.grids)
        grid = Grid.load(settings.grids[wanted.grid])
        secret = load_secret(self.run.secret) if self.run.secret.exists() else None
        player = Player(make_backend(self.sandbox), candidate, grid, settings.evaluation(secret))
        beta = 1.0 if wanted.beta is None else wanted.beta
        (result,) = player.play([Repeat(beta, wanted.repeat, traced=True)])
        stages = self._stages = self._stages or SearchGrids.of(pinned)
        trace = _located(result.trace, wanted, grid.name)
        order = orders(
            grid, order=settings.order, seed=settings.seed, repeat=wanted.repeat, ceiling=settings.max_branches
        )
        return {
            "plays": trace_events(trace, stages.signs[wanted.grid]),
            "kinds": kinds_by_question(trace, grid.name, stages, repeat=wanted.repeat),
            "orders": order,
        }

    def _candidate(self, label: str, settings: RunSettings) -> Candidate:
        if label in SHIPPED:
            return Candidate.parse(label)
        for number in range(1, settings.rounds + 1):
            folder = self.run.round(number)
            # Labels are looked up among the files that there are: what was asked for is no part of a path.
            if label in {file.stem for file in folder.candidates.glob("*.py")}:
                return Candidate(label, source_of(folder, label))
        raise ReplayError(f"controller is {label!r}, which is none of this run's")


def _located(trace: pa.Table | None, wanted: Wanted, grid: str) -> pa.Table:
    """A repeat's trace in the form of those that runs store."""
    if trace is None:
        raise ReplayError("the sandbox recorded no trace")
    where = (wanted.controller, grid, wanted.beta, wanted.repeat)
    said = [pa.array([value] * trace.num_rows, TRACES.field(n).type) for n, value in enumerate(where)]
    return pa.table([*said, *trace.columns], schema=TRACES)
