"""A run as one object: its record on disk, its tables, a summary of its result, and its plot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from envdata.intervals import Interval, number_text
from envdata.tabular import TabularResult
from graph.accounting.totals import PAPER_COST, PAPER_MINUTES
from graph.report.accuracy_plot import NAMES, PARTS, plot_run
from graph.report.page.render import figures
from graph.report.selection_text import selection_lines
from graph.run.explorer_shares import ExplorerShare, read_shares
from graph.run.files import read_source
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned
from graph.run.record import RunRecord, load
from graph.run.tables import Tables
from sandbox.candidate import Candidate
from sandbox.sanitize import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from envdata.notebook_figure import NotebookFigure


@dataclass(frozen=True)
class Run(TabularResult):
    """A run of `discover`, complete or in progress, read from its folder."""

    record: RunRecord
    """Content of the folder: settings, rounds with sources and critiques, curves, result."""

    @property
    def path(self) -> Path:
        """Path of the run's folder."""
        return self.record.folder.path

    @property
    def result(self) -> dict[str, Any] | None:
        """Content of `result.json`; None for a run in progress."""
        return self.record.result

    @property
    def tables(self) -> Tables:
        """The run as Arrow tables, named in `graph.run.tables.TABLES`."""
        return self.record.tables

    @property
    def table(self) -> pa.Table:
        """One row a candidate (`graph.run.tables.CANDIDATES`)."""
        return self.tables.candidates

    @property
    def selected(self) -> Candidate | None:
        """Selected controller, for `autotts.evaluate`; None for a run in progress."""
        if self.result is None:
            return None
        return Candidate(self.result["selected"], read_source(self.record.folder.selected))

    def render(self, width: int) -> "Iterator[RenderableType]":
        """Yield the summary that `autotts discover` prints at the end, or the rounds so far of a run in progress."""
        if self.result is not None:
            spent = read_json(self.record.folder.accounting)["total"]
            yield from summary({**self.result, "accounting": spent}, self.path)
            return
        yield _line(f"{self.path}: {len(self.record.rounds)} of {self.record.settings.rounds} rounds are complete")
        for record in self.record.rounds:
            best = "no sound candidate" if record.best is None else f"best {record.best}"
            yield _line(f"round {record.number}: {len(record.candidates)} candidates, {best}")

    def plot(self) -> "NotebookFigure":
        """Return a plot of accuracy against tokens: baselines, best of each round, selected controller."""
        return plot_run(self.record)

    def export(self, folder: Path | str) -> list[Path]:
        """Write figures (SVG, PDF) and tables (CSV, LaTeX) of the run for a paper, as `autotts report --export` does.

        Raises:
            GridError: A grid of the run cannot be read.
            RunError: The content of a grid is not the run's.
            OSError: The folder cannot be written.
        """
        from graph.report.export import export_run

        return export_run(self.record, Path(folder))


def load_run(path: Path | str) -> Run:
    """Return the run in a folder, complete or in progress.

    Raises:
        RunError: The folder holds no run, its files are damaged, or the baselines are not evaluated yet.
        GridError: A grid cannot be read.
    """
    return Run(load(Path(path)))


def summary(result: dict[str, Any], path: Path) -> "Iterator[RenderableType]":
    """Yield the summary of a complete run: scores, paired comparisons, spending, and paths of the files.

    Args:
        result: Content of `result.json`, with the totals of `accounting.json` under `accounting`.
        path: The run's folder.
    """
    from rich.table import Table
    from rich.text import Text

    low, high = result["range"]
    latency = result.get("latency")
    unit = f"in tokens^{1 - latency:g} · sequential^{latency:g}" if latency else "tokens"
    over = f" over {low:,.0f} … {high:,.0f} {unit}" if result["objective"] in ("gain", "area") else ""
    title = f"objective {result['objective']}{over}, in percent, with 95 % intervals over questions"
    table = Table(title=title, title_justify="left")
    table.add_column("controller")
    table.add_column("search set", justify="right")
    if "heldout" in result:
        table.add_column("held-out set", justify="right")
    for row in figures(result):
        name = NAMES.get(row["name"], row["name"])
        cells = [_points(row["search"])] + ([_points(row["heldout"])] if "heldout" in result else [])
        table.add_row(
            Text(f"{name} (selected)" if row["selected"] else name), *cells, style="bold" if row["selected"] else ""
        )
    yield table
    for part, where in PARTS.items():
        for name, failure in result.get(part, {}).get("failures", {}).items():
            counted = ", ".join(f"{status}: {count:,}" for status, count in failure["statuses"].items())
            message = f"{NAMES.get(name, name)} failed on the {where} ({counted}): {failure['why']}"
            if name in NAMES and failure["why"].startswith("UnknownSignal: "):
                # A baseline that cannot run on these grids, which is nobody's failure.
                message = f"{NAMES[name]} needs a signal that the {where} lacks, and has no figures on it"
            yield Text(printable(message))
    yield _sweep(result)
    # Runs of earlier versions have no name.
    selected = printable(result.get("name") or NAMES.get(result["selected"], result["selected"]))
    where = "a baseline: no candidate scored better" if result["incumbent"] else f"of round {result['round']}"
    yield Text(f"selected: {selected}, {where}")
    settings = Pinned.load(RunFolder(path).settings).settings
    for line in (*(f"  {each}" for each in selection_lines(result.get("selection"), settings.grids)), *caveats(result)):
        yield Text(line)
    for what, key in (("the best baseline", "best_baseline"), ("the best of round 1", "round_1_best")):
        if result[key] is not None:
            other = f"{what} ({NAMES.get(result[key], result[key])})"
            for part, name in PARTS.items():
                difference = result.get(part, {}).get(f"over_{key}")
                if difference is not None:
                    yield Text(f"  − {other}, {name}, paired: {_points(difference, '+')}")
    if result["stopped"]:
        rounds = f"{result['rounds']} {'round' if result['rounds'] == 1 else 'rounds'}"
        yield Text(f"the search ended after {rounds}, at its limit (--{result['stopped'].replace('_', '-')})")
    replays = result["replays"]
    if replays["unraced"]:
        yield Text(
            f"racing: {replays['played']:,} replays of the {replays['unraced']:,} that evaluating all of them in full "
            f"takes; {replays['dropped']:,} finalists were dropped on the way"
        )
    for line in spending(result["accounting"]):
        yield Text(line)
    yield Text(
        f"(another task: the paper's search, on AIME24 with Qwen3, took {PAPER_MINUTES} minutes and ${PAPER_COST})",
        style="dim",
    )
    folder = RunFolder(path)
    yield from map(Text, by_role(read_json(folder.accounting)))
    if len(settings.explorers) > 1:
        yield from map(Text, shares(read_shares(folder, settings.explorers, result["rounds"] + 1)))
    yield from map(_line, (f"controller: {folder.selected}", f"report: {folder.report}", f"picture: {folder.picture}"))
    # A run of an earlier version, or one without self-consistency, has no headline.
    if result.get("headline"):
        yield Text(printable(result["headline"]["text"]), style="bold")


def caveats(result: dict[str, Any]) -> list[str]:
    """Return lines on the selected candidate's contract findings, and on an explorer that studied the search set.

    Empty for runs of versions that did not store them.
    """
    lines = []
    if result.get("same_as"):
        lines.append(f"  it acts exactly as {result['same_as']} does: a duplicate")
    changes = [_CHANGES[name] for name in result.get("breaks_invariance", ())]
    if changes:
        lines.append(f"  it breaks the contract: some episodes ended otherwise {', and '.join(changes)}")
    if result.get("research_data"):
        lines.append(f"  {STUDIED}")
    return lines


STUDIED = (
    "the explorer studied the search set (--research-data), right answers' codes included: figures on it are no "
    "evidence for other questions, those on a held-out set are"
)
_CHANGES = {
    "by_itself": "when played again",
    "renamed": "when answers were renamed",
    "reordered": "when questions came in another order",
    "together": "when answers were renamed and questions reordered at once",
}


def spending(total: dict[str, Any]) -> list[str]:
    """Return lines on the spending of a run; `total` is that of `accounting.json`."""
    tokens, lost = total["tokens"], total["possibly_billed"]
    lines = []
    if total["calls"]:
        lines.append(
            f"model calls: {total['calls']:,} sent, {total['replies']:,} answered; tokens: {tokens['input']:,} in "
            f"({tokens['cached']:,} of them cached), {tokens['output']:,} out ({tokens['thinking']:,} of them thinking)"
        )
        # Totals of earlier versions lack it.
        if estimated := total.get("estimated", 0):
            lines[-1] += f"; {estimated:,} replies without usage that can be true are estimated, rather high"
        cost = _dollars(total["cost"])
        if lost:
            calls = "call" if lost == 1 else "calls"
            cost += (
                f", and at most {_dollars(total['possible_cost'])} for {lost} {calls} possibly billed without a reply"
            )
        lines.append(f"cost: {cost}")
    lines.append(f"time: {total['minutes']:.1f} minutes, {total['episodes']:,} episodes replayed")
    return lines


def shares(read: Sequence[ExplorerShare]) -> list[str]:
    """Return a line for each of several explorers: its places in all and by round, and its gain of the frontier."""
    lines = []
    for name in dict.fromkeys(share.explorer for share in read):
        own = [share for share in read if share.explorer == name]
        places = ", ".join(str(share.places) for share in own)
        gain = number_text(100 * sum(share.gain for share in own), "+.2f")
        lines.append(
            f"  {printable(name)}: {sum(share.places for share in own)} of {sum(share.places for share in read)} "
            f"places (by round: {places}), gain of the frontier {gain}"
        )
    return ["shares of the explorers:", *lines] if lines else []


def by_role(accounting: dict[str, Any]) -> list[str]:
    """Return a line on the model calls of each node, and of each of several explorers; none for a single caller.

    Args:
        accounting: Content of `accounting.json`; that of earlier versions has neither.
    """
    parts = {**accounting.get("roles", {}), **accounting.get("explorers", {})}
    lines = []
    for name, own in parts.items():
        calls = f"{own['calls']:,} call{'' if own['calls'] == 1 else 's'}"
        tokens = own["tokens"]["input"] + own["tokens"]["output"]
        lines.append(f"  {printable(name)}: {calls}, {tokens:,} tokens, {_dollars(own['cost'])}")
    return lines if len(parts) > 1 else []


def _dollars(cost: float | str) -> str:
    return f"${cost:.2f}" if isinstance(cost, float | int) else f"{cost}, as the model's price is"


def _sweep(result: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="the selected controller", title_justify="left")
    parts = [(part, name) for part, name in PARTS.items() if part in result]
    table.add_column("β", justify="right")
    for _, name in parts:
        table.add_column(f"accuracy %, {name}", justify="right")
        table.add_column("tokens", justify="right")
    sweeps = [result[part]["sweeps"][result["selected"]] for part, _ in parts]
    for row in zip(*sweeps, strict=True):
        beta = row[0]["beta"]
        cells = [cell for point in row for cell in (_points(point["accuracy"]), f"{point['tokens']:,.0f}")]
        table.add_row("–" if beta is None else f"{beta:g}", *cells)
    return table


def _points(value: dict[str, Any] | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return Interval(**value).text(100, f"{sign}.2f")


def _line(text: str) -> "RenderableType":
    """A line that is not broken, so that paths can be copied."""
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ignore")
