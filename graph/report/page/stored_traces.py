"""The stored sample of a run's traces by controller, with the kinds of failure of its episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from envdata.grid import Grid
from graph.analysis.traces.episode_summary import summaries_by_question, traces_by_point
from graph.analysis.traces.failure_digest import failure_kinds
from graph.analysis.traces.gold import ReferenceAnswers
from graph.report.page.grid_view import orders, question_views, signs
from graph.report.page.trace_events import trace_events
from graph.run.files import read_table
from graph.run.paths import RoundFolder
from graph.run.pinned import Pinned, check_grids
from graph.run.record import RunRecord
from graph.run.settings import RunSettings

MOST_ROWS = 400_000
"""Rows of traces in a page, at most: about as many bytes when packed, and a few seconds of work."""


@dataclass(frozen=True)
class SearchGrids:
    """Search grids of a run, with their signs and reference answers."""

    grids: tuple[Grid, ...]
    signs: tuple[Sequence[Mapping[str, int]], ...]
    """For each grid and question, the sign of each answer (`graph.report.page.grid_view.signs`)."""
    settings: RunSettings
    _answers: dict[int, Mapping[str, ReferenceAnswers]] = field(default_factory=dict)
    """Cache of `answers_in`, by repeat."""

    @classmethod
    def of(cls, pinned: Pinned) -> "SearchGrids":
        """Read the search grids of a run.

        Args:
            pinned: Content of the run's `run.toml`.

        Raises:
            GridError: A grid cannot be read.
            RunError: A grid is not the one that the run was played on.
        """
        settings = pinned.settings
        check_grids(pinned, settings.grids)
        grids = tuple(Grid.load(path) for path in settings.grids)
        every = tuple([signs(grid, question) for question in range(len(grid.questions))] for grid in grids)
        return cls(grids, every, settings)

    def answers_in(self, repeat: int) -> Mapping[str, ReferenceAnswers]:
        """Return the reference answers of a repeat, by the grid's name."""
        own = self.settings
        if repeat not in self._answers:
            self._answers[repeat] = {
                grid.name: ReferenceAnswers.of(
                    grid, order=own.order, seed=own.seed, repeat=repeat, ceiling=own.max_branches
                )
                for grid in self.grids
            }
        return self._answers[repeat]


def grid_view(grid: Grid, settings: RunSettings, repeat: int = 0) -> dict[str, Any]:
    """Return a grid for the page's episode viewer: Δ, its questions, and the branch orders of a repeat.

    `graph.report.page.grid_view` describes the questions and orders.
    """
    order = orders(grid, order=settings.order, seed=settings.seed, repeat=repeat, ceiling=settings.max_branches)
    return {"interval": grid.interval, "questions": question_views(grid), "orders": order}


def traces_of(folder: RoundFolder, columns: list[str] | None = None) -> pa.Table | None:
    """Return the stored traces of a round, or some of their columns; None if the round has none."""
    return read_table(folder.traces, columns) if folder.traces.exists() else None


def kept_in_sample(run: RunRecord) -> frozenset[str]:
    """Return the controllers whose stored traces the page contains, up to `MOST_ROWS` rows in all.

    The selected controller comes first, then the baselines, the best of each round, and the other finalists; later
    rounds come before earlier ones.
    """
    chosen = run.result["selected"] if run.result else None
    ranked: list[tuple[tuple[bool, bool, bool, int], str, int]] = []
    for number in range(len(run.rounds) + 1):
        traces = traces_of(run.folder.round(number), ["controller"])
        best = run.rounds[number - 1].best if number else None
        for row in pc.value_counts(traces.column("controller")).to_pylist() if traces is not None else ():
            label = row["values"]
            ranked.append(((label != chosen, number != 0, label != best, -number), label, row["counts"]))
    kept, rows = [], 0
    for _, label, more in sorted(ranked):
        if rows + more <= MOST_ROWS:
            kept.append(label)
            rows += more
    return frozenset(kept)


def sampled(traces: pa.Table, label: str, grids: SearchGrids) -> list[dict[str, Any]]:
    """Return the traced episodes of a controller: one JSON entry for each grid and β.

    `grid` is the index of the search grid, `beta` is None for a controller that ignores it; `plays` are the episodes by
    question (`graph.report.page.trace_events`), `kinds` the kinds of failure by question, if any.
    """
    numbers = {grid.name: number for number, grid in enumerate(grids.grids)}
    entries = []
    for (grid, beta), here in traces_by_point(traces.filter(pc.equal(traces.column("controller"), label))):
        if grid in numbers:
            entry = {"grid": numbers[grid], "beta": beta, "plays": trace_events(here, grids.signs[numbers[grid]])}
            entries.append({**entry, "kinds": kinds_by_question(here, grid, grids)})
    return sorted(entries, key=lambda entry: entry["grid"])


def kinds_by_question(traces: pa.Table, grid: str, grids: SearchGrids, repeat: int = 0) -> dict[str, list[str]]:
    """Return the kinds of failure of traced episodes, by question.

    Args:
        traces: Table with the schema `sandbox.evaluate.TRACES`: episodes of one controller on one grid, at one β, in
            one repeat.
        grid: The grid's name.
        grids: Search grids of the run.
        repeat: Number of the repeat, from 0.
    """
    answers = grids.answers_in(repeat)[grid]
    by_question = {}
    for question, summary in summaries_by_question(traces):
        kinds = list(failure_kinds(summary, answers, question, grids.settings.max_branches))
        if kinds:
            by_question[str(question)] = kinds
    return by_question
