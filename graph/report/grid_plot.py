"""Plots of a grid: accuracy by depth, lengths of branches, agreement by depth."""

from pathlib import Path
from typing import Any

import numpy as np

from envdata.atomic import replacing
from envdata.grid_names import short_name
from envdata.grid_statistics import DepthSeries, GridStatistics

# The Okabe-Ito palette, as in `graph.report.accuracy_plot`; line styles and hatching differ too.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
FORMATS = ("png", "svg")
BINS = 40


def draw_grid(statistics: GridStatistics, path: Path) -> None:
    """Write the plots of a grid to `path`, as PNG or SVG by its suffix. Raises ValueError for another suffix."""
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ValueError(f"{path}: pictures are written as {' or '.join('.' + each for each in FORMATS)}; name it so")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    # No date, version or random ids in the file: the same grid gives the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "autotts", "svg.fonttype": "none"}):
        figure = Figure(figsize=(13.5, 4.3), layout="constrained")
        accuracy, lengths, agreement = figure.subplots(1, 3)
        _accuracy(accuracy, statistics)
        _lengths(lengths, statistics)
        _agreement(agreement, statistics)
        for axes in (accuracy, lengths, agreement):
            _style(axes)
        figure.suptitle(_title(statistics), fontsize=11, x=0.01, ha="left")
        with replacing(path) as temporary:
            metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
            figure.savefig(temporary, format=form, dpi=130, metadata=metadata)


def _accuracy(axes: Any, statistics: GridStatistics) -> None:
    _curve(axes, statistics, statistics.majority_by_depth, ORANGE, "-", "majority of all branches")
    _curve(axes, statistics, statistics.single_by_depth, BLUE, "--", "one branch")
    oracle = 100 * statistics.oracle.value
    axes.axhline(oracle, color=GREY, linewidth=1, linestyle=":", label="some branch is right at its end")
    axes.set_title("accuracy by depth", loc="left", fontsize=10)
    axes.set_xlabel("tokens decoded on each branch")
    axes.set_ylabel("questions, %")
    axes.set_ylim(0, 103)
    axes.legend(frameon=False, fontsize=8, loc="best")


def _agreement(axes: Any, statistics: GridStatistics) -> None:
    _curve(axes, statistics, statistics.settled_by_depth, BLUE, "--", "branch is at its final answer")
    _curve(axes, statistics, statistics.agreement_by_depth, ORANGE, "-", "branches with the most frequent answer")
    axes.plot(_tokens(statistics), 100 * statistics.finished_by_depth, color=GREY, linewidth=1.2, linestyle=":",
              label="branches that have ended")  # fmt: skip
    axes.set_title("agreement over time", loc="left", fontsize=10)
    axes.set_xlabel("tokens decoded on each branch")
    axes.set_ylabel("branches, %")
    axes.set_ylim(0, 103)
    axes.legend(frameon=False, fontsize=8, loc="best")


def _lengths(axes: Any, statistics: GridStatistics) -> None:
    tokens, right = statistics.grid.arrays.tokens, statistics.right[:, -1]
    edges = np.linspace(0, int(tokens.max()) + 1, min(BINS, int(tokens.max()) + 1) + 1)
    axes.hist(
        [tokens[right], tokens[~right]], bins=edges, stacked=True, color=[GREEN, "white"], edgecolor="#444444",
        linewidth=0.5, hatch=["", "////"], label=["right", "wrong, or without an answer"],
    )  # fmt: skip
    axes.set_title("lengths", loc="left", fontsize=10)
    axes.set_xlabel("tokens a branch")
    axes.set_ylabel("branches")
    axes.legend(frameon=False, fontsize=8, loc="best")


def _curve(axes: Any, statistics: GridStatistics, series: DepthSeries, colour: str, line: Any, label: str) -> None:
    tokens = _tokens(statistics)
    axes.fill_between(tokens, 100 * series.low, 100 * series.high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(tokens, 100 * series.value, color=colour, linestyle=line, linewidth=1.8, label=label)


def _tokens(statistics: GridStatistics) -> Any:
    return statistics.grid.interval * np.arange(1, statistics.depths + 1)


def _style(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    from envdata.notebook_figure import style_axes

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    style_axes(axes, "y")


def _title(statistics: GridStatistics) -> str:
    grid = statistics.grid
    name = short_name(grid.name)
    return (
        f"{name}: {len(grid.questions)} questions, {len(statistics.question)} branches, Δ = {grid.interval} tokens; "
        "bands are 95 % over questions"
    )
