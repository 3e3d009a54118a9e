"""One grid at a glance: accuracy by depth, lengths of branches, agreement over time."""

from pathlib import Path
from typing import Any

import numpy as np

from envdata.atomic import replacing
from envdata.survey import Series, Survey

# Okabe and Ito's palette, as in `graph.picture`; lines and areas differ in form and hatching too.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
FORMATS = ("png", "svg")
BINS = 40


def draw_grid(survey: Survey, path: Path) -> None:
    """Write the picture to `path`, as PNG or SVG by its suffix; raises ValueError for another."""
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
        _accuracy(accuracy, survey)
        _lengths(lengths, survey)
        _agreement(agreement, survey)
        for axes in (accuracy, lengths, agreement):
            _dress(axes)
        figure.suptitle(_title(survey), fontsize=11, x=0.01, ha="left")
        with replacing(path) as temporary:
            metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
            figure.savefig(temporary, format=form, dpi=130, metadata=metadata)


def _accuracy(axes: Any, survey: Survey) -> None:
    _curve(axes, survey, survey.majority_by_depth, ORANGE, "-", "majority of all branches")
    _curve(axes, survey, survey.single_by_depth, BLUE, "--", "one branch")
    oracle = 100 * survey.oracle.value
    axes.axhline(oracle, color=GREY, linewidth=1, linestyle=":", label="some branch is right at its end")
    axes.set_title("accuracy by depth", loc="left", fontsize=10)
    axes.set_xlabel("tokens decoded on each branch")
    axes.set_ylabel("questions, %")
    axes.set_ylim(0, 103)
    axes.legend(frameon=False, fontsize=8, loc="best")


def _agreement(axes: Any, survey: Survey) -> None:
    _curve(axes, survey, survey.settled_by_depth, BLUE, "--", "branch is at its final answer")
    _curve(axes, survey, survey.agreement_by_depth, ORANGE, "-", "branches with the most frequent answer")
    axes.plot(_tokens(survey), 100 * survey.finished_by_depth, color=GREY, linewidth=1.2, linestyle=":",
              label="branches that have ended")  # fmt: skip
    axes.set_title("agreement over time", loc="left", fontsize=10)
    axes.set_xlabel("tokens decoded on each branch")
    axes.set_ylabel("branches, %")
    axes.set_ylim(0, 103)
    axes.legend(frameon=False, fontsize=8, loc="best")


def _lengths(axes: Any, survey: Survey) -> None:
    tokens, right = survey.grid.arrays.tokens, survey.right[:, -1]
    edges = np.linspace(0, int(tokens.max()) + 1, min(BINS, int(tokens.max()) + 1) + 1)
    axes.hist(
        [tokens[right], tokens[~right]], bins=edges, stacked=True, color=[GREEN, "white"], edgecolor="#444444",
        linewidth=0.5, hatch=["", "////"], label=["right", "wrong, or without an answer"],
    )  # fmt: skip
    axes.set_title("lengths", loc="left", fontsize=10)
    axes.set_xlabel("tokens a branch")
    axes.set_ylabel("branches")
    axes.legend(frameon=False, fontsize=8, loc="best")


def _curve(axes: Any, survey: Survey, series: Series, colour: str, line: Any, label: str) -> None:
    tokens = _tokens(survey)
    axes.fill_between(tokens, 100 * series.low, 100 * series.high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(tokens, 100 * series.value, color=colour, linestyle=line, linewidth=1.8, label=label)


def _tokens(survey: Survey) -> Any:
    return survey.grid.interval * np.arange(1, survey.depths + 1)


def _dress(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(True, axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _title(survey: Survey) -> str:
    grid = survey.grid
    name = Path(grid.name).stem
    return (
        f"{name}: {len(grid.questions)} questions, {len(survey.question)} branches, Δ = {grid.interval} tokens; "
        "bands are 95 % over questions"
    )
