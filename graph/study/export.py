"""Files of a study for a paper: its figures as SVG and PDF, its tables as CSV and LaTeX (`envdata.paper_files`)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from envdata.intervals import Interval
from envdata.paper_files import write_csv, write_figure, write_latex
from graph.study.arms import arm_summary, arms_of, code_charts, gain_charts
from graph.study.charts import Chart
from graph.study.comparison import FIGURES, compare_loop
from graph.study.tables import StudyTables

if TYPE_CHECKING:
    from envdata.notebook_figure import NotebookFigure

COLUMNS = {
    "gain": "gain of the frontier", "search": "selected, search set", "heldout": "selected, held-out set",
    "heldout_over_baseline": "held out, over the best baseline",
}  # fmt: skip
"""Figures of an arm, as fractions over seeds, with their headings."""


def export_study(found: StudyTables, folder: Path) -> list[Path]:
    """Write a study's figures and tables into a folder, and return the paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for chart in (*gain_charts(found), *code_charts(found)):
        if not chart.empty:
            paths += write_figure(chart_figure(chart), folder, chart.name)
    paths += _arms(found, folder)
    paths += _loop(found, folder)
    for name in ("runs", "rounds", "candidates", "calls"):
        paths.append(write_csv(getattr(found, name), folder / f"{name}.csv"))
    return paths


def chart_figure(chart: Chart) -> "NotebookFigure":
    """Return a chart as a figure: a line for each arm, with a band from the lowest to the highest seed."""
    from matplotlib.ticker import MaxNLocator

    from envdata.notebook_figure import curve_style, new_figure, style_axes

    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    drawstyle: Any = "steps-post" if chart.steps else "default"
    for place, series in enumerate(chart.series):
        if not len(series.x):
            continue
        style = curve_style(place)
        axes.plot(series.x, series.mean, drawstyle=drawstyle, markersize=4, label=series.name, **style)
        axes.fill_between(series.x, series.low, series.high, color=style["color"], alpha=0.15, linewidth=0,
                          step="post" if chart.steps else None)  # fmt: skip
    if chart.x_label == "round":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    style_axes(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def arm_rows(found: StudyTables) -> tuple[list[str], list[list[str]]]:
    """Return headings, and the figures of each arm as text in points: mean over seeds, the lowest and the highest."""
    runs = found.runs.to_pylist()
    rows = []
    for arm in arms_of(found):
        own = arm_summary(runs, arm)
        rows.append([arm.name, f"{own['done']} of {own['planned']}", *(_over_seeds(own[name]) for name in COLUMNS)])
    return ["explorer, ablation", "runs", *COLUMNS.values()], rows


def _arms(found: StudyTables, folder: Path) -> list[Path]:
    runs, data = found.runs.to_pylist(), []
    for arm in arms_of(found):
        own = arm_summary(runs, arm)
        row: dict[str, Any] = {"explorer": arm.explorer, "ablation": arm.ablation, "runs": own["done"]}
        for name in COLUMNS:
            value = own[name] or {}
            row |= {f"{name}_{end}": 100 * value[end] if value else None for end in ("mean", "low", "high")}
        data.append(row)
    schema = pa.schema(
        [("explorer", pa.string()), ("ablation", pa.string()), ("runs", pa.int64()),
         *((f"{name}_{end}", pa.float64()) for name in COLUMNS for end in ("mean", "low", "high"))]
    )  # fmt: skip
    return [
        write_csv(pa.Table.from_pylist(data, schema), folder / "arms.csv"),
        write_latex(folder / "arms.tex", *arm_rows(found), note="points; brackets: the lowest and the highest seed"),
    ]


def _loop(found: StudyTables, folder: Path) -> list[Path]:
    """Write the loop less independent sampling in points, with Student's 95 % interval; nothing without both."""
    compared = compare_loop(found.runs)
    if not compared:
        return []
    data, cells = [], []
    for each in compared:
        mean = each.mean or Interval(sum(each.differences) / len(each.differences), None, None)
        row = mean.times(100)
        data.append({"explorer": each.explorer, "figure": each.figure, "seeds": len(each.seeds),
                     "difference": row.value, "low": row.low, "high": row.high})  # fmt: skip
        cells.append([each.explorer, FIGURES[each.figure], str(len(each.seeds)), row.text(1, "+.2f")])
    schema = pa.schema(
        [("explorer", pa.string()), ("figure", pa.string()), ("seeds", pa.int64()), ("difference", pa.float64()),
         ("low", pa.float64()), ("high", pa.float64())]
    )  # fmt: skip
    name, heads = "loop-against-samples", ["explorer", "figure", "seeds", "loop less sampling, points"]
    return [
        write_csv(pa.Table.from_pylist(data, schema), folder / f"{name}.csv"),
        write_latex(folder / f"{name}.tex", heads, cells, names=2, note="brackets: 95 % intervals over seeds"),
    ]


def _over_seeds(value: dict[str, float] | None) -> str:
    if value is None:
        return "–"
    if value["low"] == value["high"]:
        # A single seed, or seeds that agree.
        return f"{100 * value['mean']:.2f}"
    return Interval(value["mean"], value["low"], value["high"]).text(100)
