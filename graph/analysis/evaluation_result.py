"""Result of an evaluation: one row for each controller, grid and β, and the episodes behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from envdata.tabular import PaperRows, TabularResult, layout_rows
from graph.analysis.grid_mean import MEAN
from graph.analysis.headline import AgainstReference
from graph.analysis.replay_bill import ReplayBill
from graph.analysis.token_prices import in_dollars
from sandbox.candidate import in_own_name
from sandbox.evaluate import GivenUp
from sandbox.summary import SummaryRow

if TYPE_CHECKING:
    from rich.console import RenderableType

    from envdata.notebook_figure import NotebookFigure

ROWS = pa.schema(
    [
        ("controller", pa.string()), ("grid", pa.string()), ("beta", pa.float64()), ("status", pa.string()),
        ("accuracy", pa.float64()), ("accuracy_low", pa.float64()), ("accuracy_high", pa.float64()),
        ("tokens", pa.float64()), ("sequential_tokens", pa.float64()), ("longest_branch", pa.float64()),
        ("branches", pa.float64()), ("episodes", pa.int64()), ("failed", pa.int64()), ("why", pa.string()),
        ("decoded", pa.float64()), ("probe_tokens", pa.float64()), ("probe_prefill", pa.float64()),
        ("dollars", pa.float64()),
    ]
)  # fmt: skip
"""Accuracies in percent with their 95 % interval over questions; tokens and branches are means an episode. `beta` is
null for a controller whose schedule ignores it, `why` is the message of the first failed episode. `decoded` are tokens
of branches, `probe_tokens` and `probe_prefill` those of recorded probes, null where a grid has none. `dollars` is null
without prices."""

_HEADS = ("controller", "grid", "β", "accuracy %", "tokens", "sequential", "dollars", "branches", "episodes", "status")
_DOLLARS = _HEADS.index("dollars")
"""The column that is shown with prices only."""


@dataclass(frozen=True)
class EvaluationResult(TabularResult):
    """Accuracies and costs of controllers on grids."""

    rows: Sequence[SummaryRow]
    """One row for each controller, grid and β; with several grids also their mean, under the grid `mean`."""
    episodes: pa.Table
    """One row an episode (`sandbox.results.EPISODES`)."""
    traces: pa.Table
    """Action-by-action traces of repeat 0 (`sandbox.evaluate.TRACES`); empty unless requested."""
    sandbox: str
    """Backend that the controllers ran in."""
    answers_shown: bool
    """Whether controllers saw answers as strings."""
    given_up: tuple[GivenUp, ...] = ()
    """Controllers that were given up on a grid because every episode of their trial failed."""
    cached: int = 0
    """Episodes that came from a cache."""
    against_sc: Mapping[str, AgainstReference] = field(default_factory=dict)
    """Each controller without failures against self-consistency over all grids; empty unless `sc` was played too."""
    bill: ReplayBill | None = None
    """Costs of the rows in US dollars; None without prices."""

    @property
    def table(self) -> pa.Table:
        """The rows as a table with the schema `ROWS`."""
        listed = self.objects()
        return pa.Table.from_pylist([{**row, "failed": sum(row["failures"].values())} for row in listed], ROWS)

    def paper_rows(self) -> PaperRows:
        """Return the rows as text: accuracy with its interval, mean tokens, sequential tokens and branches."""
        return self._shown(_HEADS)[:-2], [cells[:-2] for cells in self._cells()], 2

    def objects(self) -> list[dict[str, Any]]:
        """Return the rows as JSON (`as_object`), with `dollars` where there are prices."""
        dollars = [None] * len(self.rows) if self.bill is None else self.bill.dollars
        return [{**as_object(row), "dollars": paid} for row, paid in zip(self.rows, dollars, strict=True)]

    def _cells(self) -> list[tuple[str, ...]]:
        dollars = [None] * len(self.rows) if self.bill is None else self.bill.dollars
        return [self._shown(_cells(row, paid)) for row, paid in zip(self.rows, dollars, strict=True)]

    def _shown(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        return cells if self.bill is not None else cells[:_DOLLARS] + cells[_DOLLARS + 1 :]

    def render(self, width: int) -> "Iterator[RenderableType]":
        """Yield a table of the rows for a terminal of `width` columns."""
        from rich.text import Text

        shown = ", answers shown to controllers" if self.answers_shown else ""
        yield from layout_rows(
            f"accuracy with its 95 % interval over questions; sandbox {self.sandbox}{shown}",
            self._shown(_HEADS),
            self._cells(),
            width,
            names=("controller", "grid", "status"),
            headed=2,
        )
        if self.bill is not None:
            yield Text(self.bill.note, overflow="fold")
        if len(self.against_sc) > 1:
            yield from layout_rows(
                "against sc at its most accurate point, with 95 % intervals over questions",
                ("controller", "tokens saved %", "accuracy there %", "difference", "gain"),
                [_comparison(name, found) for name, found in self.against_sc.items()],
                width,
                names=("controller",),
                headed=1,
            )

    def plot(self) -> "NotebookFigure":
        """Return a plot of accuracy in percent against tokens: one panel a grid, with 95 % bands over questions."""
        from envdata.notebook_figure import curve_style, label_accuracy_axes, new_figure

        grids = list(dict.fromkeys(row.grid for row in self.rows)) or [MEAN]
        figure = new_figure(1.4 + 5 * len(grids), 4.2)
        panels = dict(zip(grids, figure.subplots(1, len(grids), sharey=True, squeeze=False)[0], strict=True))
        names = list(dict.fromkeys(row.controller for row in self.rows))
        for (grid, controller), own in groupby(self.rows, key=lambda row: (row.grid, row.controller)):
            points = sorted(own, key=lambda row: row.tokens)
            tokens = [row.tokens for row in points]
            (line,) = panels[grid].plot(
                tokens, [100 * row.accuracy.value for row in points], markersize=4, label=controller,
                **curve_style(names.index(controller)),
            )  # fmt: skip
            low, high = (
                [100 * (row.accuracy.value if end is None else end) for row, end in ends]
                for ends in (
                    [(row, row.accuracy.low) for row in points],
                    [(row, row.accuracy.high) for row in points],
                )
            )
            panels[grid].fill_between(tokens, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
        for grid, axes in panels.items():
            axes.set_title(grid, loc="left", fontsize=11)
            label_accuracy_axes(axes)
            axes.label_outer()
        return figure


def as_object(row: SummaryRow) -> dict[str, Any]:
    """Return a row as JSON: accuracies in percent, means unrounded, a missing interval as null, failures by status."""
    return {
        "controller": row.controller,
        "grid": row.grid,
        "beta": row.beta,
        "status": row.status,
        "accuracy": 100 * row.accuracy.value,
        "accuracy_low": _percent(row.accuracy.low),
        "accuracy_high": _percent(row.accuracy.high),
        "tokens": row.tokens,
        "sequential_tokens": row.sequential_tokens,
        "longest_branch": row.longest_branch,
        "branches": row.branches,
        "episodes": row.episodes,
        "failures": row.failures,
        "why": None if row.why is None else in_own_name(row.why, row.controller),
        "decoded": row.decoded,
        "probe_tokens": row.probe_tokens,
        "probe_prefill": row.probe_prefill,
    }


def _cells(row: SummaryRow, dollars: float | None) -> tuple[str, ...]:
    return (
        row.controller,
        row.grid,
        "–" if row.beta is None else f"{row.beta:g}",
        row.accuracy.text(100, ".2f"),
        f"{row.tokens:,.0f}",
        f"{row.sequential_tokens:,.0f}",
        "–" if dollars is None else in_dollars(dollars),
        f"{row.branches:.1f}",
        f"{row.episodes:,}",
        _status(row),
    )


def _comparison(name: str, found: AgainstReference) -> tuple[str, ...]:
    figures = ((found.saving, ".0f"), (found.accuracy, ".2f"), (found.difference, "+.2f"), (found.gain, ".2f"))
    return (name, *("–" if interval is None else interval.text(100, form) for interval, form in figures))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _status(row: SummaryRow) -> str:
    if not row.failures:
        return row.status
    counted = ", ".join(f"{status}: {count:,}" for status, count in row.failures.items())
    return f"{counted} ({in_own_name(row.why, row.controller)})" if row.why else counted
