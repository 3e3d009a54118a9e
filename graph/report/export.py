"""Files of a run for a paper: its figures as SVG and PDF, its tables as CSV and LaTeX (`envdata.paper_files`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from envdata.intervals import Interval
from envdata.paper_files import write_csv, write_figure, write_latex
from graph.report.accuracy_plot import NAMES, PARTS, plot_run
from graph.report.page.render import figures
from graph.report.run_figures import knobs_figure, rounds_figure
from graph.run.record import RunRecord
from sandbox.sanitize import printable


@dataclass(frozen=True)
class PaperTable:
    """A table for a paper: figures for programs, and the same as text for LaTeX."""

    name: str
    """Of its files, without suffix."""
    data: pa.Table
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1
    """Columns from the left that hold words."""
    note: str = "brackets: 95 % intervals over questions"

    def write(self, folder: Path) -> list[Path]:
        """Write `name.csv` and `name.tex`, and return the paths."""
        return [
            write_csv(self.data, folder / f"{self.name}.csv"),
            write_latex(folder / f"{self.name}.tex", self.heads, self.rows, names=self.names, note=self.note),
        ]


def export_run(run: RunRecord, folder: Path) -> list[Path]:
    """Write a run's figures and tables into a folder, and return the paths.

    The run may be in progress: then there is no selected controller, and nothing of the held-out set.

    Raises:
        GridError: A grid of the run cannot be read.
        RunError: The content of a grid is not the run's.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    drawn = {"accuracy-tokens": plot_run(run), "rounds": rounds_figure(run), "knobs": knobs_figure(run)}
    for name, figure in drawn.items():
        if figure is not None:
            paths += write_figure(figure, folder, name)
    for table in _tables(run):
        paths += table.write(folder)
    for name in ("candidates", "knobs", "rounds"):
        paths.append(write_csv(getattr(run.tables, name), folder / f"{name}.csv"))
    return paths


def _tables(run: RunRecord) -> Iterator[PaperTable]:
    if run.result is not None:
        yield _scores(run.result)
        yield _sweeps(run.result)
    yield _frontier(run)


def _scores(result: dict[str, Any]) -> PaperTable:
    """Return the objective of the selected controller and the baselines, in percent with 95 % intervals."""
    parts = [part for part in PARTS if part in result]
    rows = figures(result)
    data = [
        {"controller": row["name"], "selected": row["selected"],
         **{name: value for part in parts for name, value in _ends(part, row[part]).items()}}
        for row in rows
    ]  # fmt: skip
    columns = [pa.field("controller", pa.string()), pa.field("selected", pa.bool_())]
    columns += [pa.field(name, pa.float64()) for part in parts for name in _ends(part, None)]
    cells = [[_named(row["name"], result), *(_interval(row[part]) for part in parts)] for row in rows]
    heads = ["controller", *(PARTS[part] for part in parts)]
    note = f"objective {result['objective']} in percent; {PaperTable.note}"
    return PaperTable("scores", pa.Table.from_pylist(data, pa.schema(columns)), heads, cells, note=note)


def _sweeps(result: dict[str, Any]) -> PaperTable:
    """Return accuracy in percent with its 95 % interval, and tokens, of each controller at each β."""
    data = [
        {"set": PARTS[part], "controller": name, "beta": point["beta"], **_ends("accuracy", point["accuracy"]),
         "tokens": point["tokens"]}
        for part in PARTS if part in result
        for name, points in result[part]["sweeps"].items()
        for point in points
    ]  # fmt: skip
    figures_of = [pa.field(name, pa.float64()) for name in ("beta", *_ends("accuracy", None), "tokens")]
    schema = pa.schema([pa.field("set", pa.string()), pa.field("controller", pa.string()), *figures_of])
    cells = []
    for row in data:
        accuracy = Interval(row["accuracy"], row["accuracy_low"], row["accuracy_high"])
        beta = "–" if row["beta"] is None else f"{row['beta']:g}"
        cells.append([row["set"], _named(row["controller"], result), beta, accuracy.text(1, ".1f"),
                      f"{row['tokens']:,.0f}"])  # fmt: skip
    heads = ["set", "controller", "β", "accuracy %", "tokens a question"]
    return PaperTable("sweeps", pa.Table.from_pylist(data, schema), heads, cells, names=2)


def _frontier(run: RunRecord) -> PaperTable:
    """Return the points of the search set that no other point beats on both accuracy and tokens."""
    table = run.tables.frontier
    cells = []
    for row in table.to_pylist():
        accuracy = Interval(row["accuracy"], row["accuracy_low"], row["accuracy_high"])
        tokens = Interval(row["tokens"], row["tokens_low"], row["tokens_high"])
        beta = "–" if row["beta"] is None else f"{row['beta']:g}"
        cells.append([_named(row["controller"], {}), str(row["round"] or "–"), beta, accuracy.text(100, ".1f"),
                      tokens.text(1, ",.0f")])  # fmt: skip
    return PaperTable("frontier", table, ["controller", "round", "β", "accuracy %", "tokens a question"], cells)


def _ends(name: str, value: dict[str, Any] | None) -> dict[str, float | None]:
    """Return a fraction and the ends of its interval in percent, as columns."""
    own: dict[str, Any] = value or dict.fromkeys(("value", "low", "high"))
    percent = {end: None if share is None else 100 * share for end, share in own.items()}
    return {name: percent["value"], f"{name}_low": percent["low"], f"{name}_high": percent["high"]}


def _interval(value: dict[str, Any] | None) -> str:
    return "–" if value is None else Interval(**value).text(100)


def _named(label: str, result: dict[str, Any]) -> str:
    """Return a controller's name for readers; that of the selected one is the run's."""
    if result and label == result["selected"]:
        return printable(result.get("name") or NAMES.get(label, label))
    return printable(NAMES.get(label, label))
