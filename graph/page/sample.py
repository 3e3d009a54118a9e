"""The stored sample of a run's traces, by controller, and what the failure digest calls each of its episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envdata.grid import Grid
from graph.critic.digest import kinds_of
from graph.critic.recorded import Recorded
from graph.critic.stories import stories
from graph.folder import RoundFolder
from graph.history import History
from graph.page.played import played
from graph.page.recording import orders, signs, stage
from graph.settings import RunSettings

MOST_ROWS = 400_000
"""Rows of traces that a page carries: packed, about as many bytes, and a few seconds of work."""


@dataclass(frozen=True)
class Stages:
    """The search grids as the theatre and the digest need them."""

    grids: tuple[Grid, ...]
    signs: tuple[Sequence[Mapping[str, int]], ...]
    settings: RunSettings
    _recorded: dict[int, Mapping[str, Recorded]] = field(default_factory=dict)
    """By repeat, as they were asked for."""

    @classmethod
    def of(cls, settings: RunSettings) -> "Stages":
        """Read the grids. Raises GridError if one has gone."""
        grids = tuple(Grid.load(path) for path in settings.grids)
        every = tuple([signs(grid, question) for question in range(len(grid.questions))] for grid in grids)
        return cls(grids, every, settings)

    def recorded_in(self, repeat: int) -> Mapping[str, Recorded]:
        """What the grids know beyond the episodes of a repeat, by the grid's name."""
        own = self.settings
        if repeat not in self._recorded:
            self._recorded[repeat] = {
                grid.name: Recorded.of(grid, order=own.order, seed=own.seed, repeat=repeat, ceiling=own.max_branches)
                for grid in self.grids
            }
        return self._recorded[repeat]


def stage_of(grid: Grid, settings: RunSettings, repeat: int = 0) -> dict[str, Any]:
    """A grid for the theatre: Δ, its questions (`graph.page.recording.stage`) and the orders of a repeat."""
    order = orders(grid, order=settings.order, seed=settings.seed, repeat=repeat, ceiling=settings.max_branches)
    return {"interval": grid.interval, "questions": stage(grid), "orders": order}


def traces_of(folder: RoundFolder, columns: list[str] | None = None) -> pa.Table | None:
    """The traces that a round keeps, or some columns of them; None for a round that keeps none."""
    return pq.read_table(folder.traces, columns=columns) if folder.traces.exists() else None


def kept_in_sample(history: History) -> frozenset[str]:
    """Whose stored traces the page carries: up to `MOST_ROWS` rows in all, the selected controller and the baselines
    first, then the best of each round and the other finalists, late rounds before early ones."""
    chosen = history.result["selected"] if history.result else None
    ranked: list[tuple[tuple[bool, bool, bool, int], str, int]] = []
    for number in range(len(history.rounds) + 1):
        traces = traces_of(history.folder.round(number), ["controller"])
        best = history.rounds[number - 1].best if number else None
        for row in pc.value_counts(traces.column("controller")).to_pylist() if traces is not None else ():
            label = row["values"]
            ranked.append(((label != chosen, number != 0, label != best, -number), label, row["counts"]))
    kept, rows = [], 0
    for _, label, more in sorted(ranked):
        if rows + more <= MOST_ROWS:
            kept.append(label)
            rows += more
    return frozenset(kept)


def sampled(traces: pa.Table, label: str, stages: Stages) -> list[dict[str, Any]]:
    """The traced episodes of a controller: one entry for each grid and β.

    `grid` counts the search grids, `beta` is None for a controller that ignores it; `plays` are the episodes by
    question (`graph.page.played`), `kinds` the names of failures by question, where there are any.
    """
    own = traces.filter(pc.equal(traces.column("controller"), label))
    found = []
    for number, grid in enumerate(stages.grids):
        of_grid = own.filter(pc.equal(own.column("grid"), grid.name))
        for beta in of_grid.column("beta").unique().to_pylist():
            column = of_grid.column("beta")
            here = of_grid.filter(pc.is_null(column) if beta is None else pc.equal(column, beta))
            entry = {"grid": number, "beta": beta, "plays": played(here, stages.signs[number])}
            found.append({**entry, "kinds": kinds_by_question(here, label, stages)})
    return found


def kinds_by_question(traces: pa.Table, label: str, stages: Stages, repeat: int = 0) -> dict[str, list[str]]:
    """What the failure digest calls the traced episodes of a controller on one grid, at one β, in one repeat."""
    recorded = stages.recorded_in(repeat)
    found = {}
    for (grid, _, question), story in stories(traces, label):
        kinds = list(kinds_of(story, recorded[grid], question, stages.settings.max_branches))
        if kinds:
            found[str(question)] = kinds
    return found
