"""Figures of a run beside accuracy against tokens: the objective by round, and the selected controller's knobs."""

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from graph.report.accuracy_plot import ROUNDS, SELECTED
from graph.run.record import RunRecord

if TYPE_CHECKING:
    from envdata.notebook_figure import NotebookFigure

FRONTIER = "#444444"
PANELS = 3
"""Knobs side by side, at most."""


def rounds_figure(run: RunRecord) -> "NotebookFigure":
    """Return the objective by round, in percent: each candidate with its 95 % interval, and all points so far together.

    Raises:
        GridError: A grid of the run cannot be read.
        RunError: The content of a grid is not the run's.
    """
    from matplotlib.ticker import MaxNLocator

    from envdata.notebook_figure import new_figure, style_axes

    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    rounds = run.tables.rounds.to_pylist()
    # The last step is drawn as far as the candidates of its round stand apart.
    steps = [(row["round"], 100 * row["frontier"]) for row in (*rounds, {**rounds[-1], "round": len(rounds) - 0.5})]
    axes.step(*zip(*steps, strict=True), where="post", color=FRONTIER, linewidth=1.6,
              label="all points so far together", zorder=2)  # fmt: skip
    axes.axhline(100 * rounds[0]["frontier"], color=ROUNDS, linewidth=1, linestyle=":", label="the baselines together")
    scored = [row for row in run.tables.candidates.to_pylist() if row["score"] is not None]
    for chosen, colour, marker, label in (
        (False, ROUNDS, "o", "a candidate"),
        (True, SELECTED, "*", "the selected one"),
    ):
        own = [(place, row) for place, row in _spread(scored) if row["selected"] == chosen]
        if own:
            score = [100 * row["score"] for _, row in own]
            ends = [[100 * _reach(row, end) for _, row in own] for end in ("score_low", "score_high")]
            axes.errorbar(
                [place for place, _ in own], score, yerr=ends, fmt=marker, color=colour, elinewidth=0.8,
                markersize=9 if chosen else 4.5, markeredgewidth=0, label=label, zorder=4 if chosen else 3,
            )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("round")
    axes.set_ylabel(_objective(run))
    style_axes(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def knobs_figure(run: RunRecord) -> "NotebookFigure | None":
    """Return the knobs of the selected controller against β, a panel each; None without a discovered controller."""
    from envdata.notebook_figure import new_figure, style_axes

    result = run.result
    if result is None or result["incumbent"]:
        return None
    table = run.tables.knobs
    own = table.filter(
        pc.and_(pc.equal(table.column("round"), result["round"]), pc.equal(table.column("label"), result["selected"]))
    ).to_pylist()
    names = list(dict.fromkeys(row["knob"] for row in own))
    if not names:
        return None
    columns = min(PANELS, len(names))
    lines = -(-len(names) // columns)
    figure = new_figure(3.6 * columns, 0.6 + 2.0 * lines)
    panels = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        points = [(row["beta"], row["value"]) for row in own if row["knob"] == name]
        axes.plot(*zip(*points, strict=True), color=FRONTIER, marker="o", markersize=4, linewidth=1.4)
        axes.set_title(name, loc="left", fontsize=10, parse_math=False)
        style_axes(axes)
    for axes in panels[len(names) :]:
        axes.remove()
    for axes in panels[max(0, len(names) - columns) : len(names)]:
        axes.set_xlabel("β")
        axes.tick_params(labelbottom=True)
    return figure


def _spread(scored: list[dict[str, Any]]) -> list[tuple[float, dict[str, Any]]]:
    """Return each candidate with its place on the x axis: those of a round stand side by side, in their order."""
    placed = []
    for row in scored:
        own = [each["label"] for each in scored if each["round"] == row["round"]]
        placed.append((row["round"] + 0.12 * (own.index(row["label"]) - (len(own) - 1) / 2), row))
    return placed


def _reach(row: dict[str, Any], end: str) -> float:
    return 0.0 if row[end] is None else abs(float(row[end] - row["score"]))


def _objective(run: RunRecord) -> str:
    name = run.settings.objective
    return {"gain": "gain over SC, points", "area": "area, %"}.get(name, f"{name}, %")
