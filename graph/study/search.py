"""A study from Python: `study`, equivalent to the command `autotts study`, and its result as one object."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from envdata.tabular import PaperRows, TabularResult, layout_rows
from graph.study.arms import gain_charts
from graph.study.export import arm_rows, chart_figure, export_study
from graph.study.page import write_page
from graph.study.plan import read_plan
from graph.study.runner import run_study
from graph.study.tables import StudyTables, build_tables

if TYPE_CHECKING:
    from rich.console import RenderableType

    from envdata.notebook_figure import NotebookFigure


@dataclass(frozen=True)
class Study(TabularResult):
    """A study, whose runs may be incomplete."""

    folder: Path
    """Folder of its runs, page and tables."""
    tables: StudyTables
    """Its runs, rounds, candidates and calls as Arrow tables."""
    stopped: Mapping[str, str]
    """Why a run did not complete, by its folder's name."""

    @property
    def table(self) -> pa.Table:
        """One row a run (`graph.study.tables.RUNS`)."""
        return self.tables.runs

    @property
    def page(self) -> Path:
        """Path of `study.html`."""
        return self.folder / "study.html"

    def paper_rows(self) -> PaperRows:
        """Return one row for each explorer under each ablation, in points over seeds."""
        heads, rows = arm_rows(self.tables)
        return heads, rows, 1

    def render(self, width: int) -> "Iterator[RenderableType]":
        """Yield a row for each explorer under each ablation, for a terminal of `width` columns."""
        complete = sum(self.table.column("complete").to_pylist())
        title = (
            f"{complete} of {self.table.num_rows} runs are complete; objective {self.tables.objective} in points: "
            "mean over seeds, with the lowest and the highest"
        )
        heads, rows, names = self.paper_rows()
        yield from layout_rows(title, heads, rows, width, names=heads[:names], headed=names)

    def plot(self) -> "NotebookFigure":
        """Return a plot of the gain of the frontier by round: the mean over seeds, with a band over all of them."""
        return chart_figure(gain_charts(self.tables)[0])

    def export(self, folder: Path | str) -> list[Path]:
        """Write figures (SVG, PDF) and tables (CSV, LaTeX) for a paper, as `autotts study --export` does.

        Returns:
            The paths. Raises OSError if the folder cannot be written.
        """
        return export_study(self.tables, Path(folder))


def study(
    file: Path | str,
    out: Path | str | None = None,
    *,
    only_page: bool = False,
    executor: str = "local",
    say: Callable[[str], None] = print,
) -> Study:
    """Run a study, as `autotts study` does, and write its page and tables; runs that are complete are kept.

    Args:
        file: The study, a TOML file (docs/studying.md).
        out: The study's folder, by default `studies/<name of the file>`.
        only_page: Whether to start no run and read the existing ones.
        executor: `local`, or `ray` to play episodes on the nodes of a Ray cluster.
        say: Called with a line for each thing that happens.

    Raises:
        ConfigurationError: The file cannot be used.
        RunError: An existing run has other settings.
        GridError: A grid cannot be read.
    """
    path = Path(file)
    plan = read_plan(path)
    folder = Path("studies") / path.stem if out is None else Path(out)
    outcomes = []
    if not only_page:
        say(f"{len(plan.runs)} runs in {folder / 'runs'}, {plan.study.concurrent_runs} at once")
        outcomes = run_study(plan, folder, say, executor=executor)
    stopped = {each.planned.folder: each.why for each in outcomes if each.why is not None}
    found = Study(folder, build_tables(plan, folder, stopped), stopped)
    found.tables.save(folder)
    write_page(found.tables, found.page, f"Study: {path.stem}")
    return found
