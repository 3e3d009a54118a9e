"""Result of a comparison of two controllers: paired differences at each point, and of the areas under their curves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from envdata.intervals import Paired
from envdata.tabular import PaperRows, TabularResult, layout_rows
from graph.analysis.comparison import ComparedPoint, Comparison
from graph.analysis.curves import Curve
from sandbox.candidate import in_own_name
from sandbox.evaluate import Evaluation

if TYPE_CHECKING:
    from rich.console import RenderableType

    from envdata.notebook_figure import NotebookFigure

_FIGURE = ("a", "b", "difference", "difference_low", "difference_high", "superiority")
POINTS = pa.schema(
    [
        ("beta_a", pa.float64()), ("beta_b", pa.float64()),
        *((f"accuracy_{name}", pa.float64()) for name in _FIGURE),
        *((f"tokens_{name}", pa.float64()) for name in _FIGURE),
        ("only_a", pa.float64()), ("only_b", pa.float64()),
    ]
)  # fmt: skip
"""One row a compared point. Accuracies in percent, differences A − B with 95 % intervals over questions;
`accuracy_superiority` is the confidence that A is more accurate, `tokens_superiority` that it is cheaper; `only_a` and
`only_b` are the percentages of episodes that only one of the two answers rightly."""
_HEADS = ("β", "A %", "B %", "A − B", "A better", "A alone", "B alone", "A tokens", "B tokens", "A − B, %", "A cheaper")


@dataclass(frozen=True)
class ComparisonResult(TabularResult):
    """Two controllers, A and B, on the same episodes."""

    comparison: Comparison
    """Comparison over all grids."""
    by_grid: Mapping[str, Comparison]
    """Comparison on each grid; empty with one grid."""
    grids: Sequence[str]
    """Paths of the grids."""
    repeats: int
    order: str
    """Name of the branch order (`envdata.branch_orders.ORDERS`)."""
    evaluation: Evaluation
    """Episodes of both controllers."""

    @property
    def table(self) -> pa.Table:
        """The compared points as a table with the schema `POINTS`."""
        rows = [
            {
                "beta_a": point["beta_a"],
                "beta_b": point["beta_b"],
                **{f"{of}_{name}": point[of][name] for of in ("accuracy", "tokens") for name in _FIGURE},
                "only_a": point["only_a"],
                "only_b": point["only_b"],
            }
            for point in as_object(self.comparison, self.grids, self.repeats)["points"]
        ]
        return pa.Table.from_pylist(rows, POINTS)

    def paper_rows(self) -> PaperRows:
        """Return the compared points as text, differences A − B with their intervals."""
        return _HEADS, [_cells(point) for point in self.comparison.points], 0

    def render(self, width: int) -> "Iterator[RenderableType]":
        """Yield the comparison for a terminal of `width` columns."""
        comparison = self.comparison
        for name, curve in (("A", comparison.a), ("B", comparison.b)):
            yield _line(f"{name}  {curve.label}{_failures(curve)}")
        episodes = sum(values.shape[1] for values in comparison.a.correct) * self.repeats
        where = self.grids[0] if len(self.grids) == 1 else f"mean over {len(self.grids)} grids"
        title = f"{where}; {episodes:,} episodes a point, {self.repeats} repeats, order {self.order}"
        yield from layout_rows(title, _HEADS, [_cells(point) for point in comparison.points], width)
        areas = {f"{grid}, ": own.area for grid, own in self.by_grid.items()}
        areas[f"{where}, " if self.by_grid else ""] = comparison.area
        for name, area in areas.items():
            if area is not None:
                yield _line(
                    f"area, {name}{comparison.low:,.0f} … {comparison.high:,.0f} tokens: "
                    f"A {100 * area.a:.2f}, B {100 * area.b:.2f}, "
                    f"A − B {area.difference.text(100, '+.2f')}; A better {area.superiority:.3f}"
                )

        if comparison.saving is not None:
            saved = comparison.saving.text(100, ".1f")
            yield _line(f"at the accuracy of B's best point A saves of B's tokens, in percent: {saved}")

    def plot(self) -> "NotebookFigure":
        """Return a plot of accuracy in percent against tokens a question of both controllers; means over grids."""
        from envdata.notebook_figure import curve_style, label_accuracy_axes, new_figure

        figure = new_figure(6.4, 4.2)
        axes = figure.subplots()
        for place, curve in enumerate((self.comparison.a, self.comparison.b)):
            order = curve.tokens.argsort()
            axes.plot(curve.tokens[order], 100 * curve.accuracy[order], markersize=4, label=curve.label,
                      **curve_style(place))  # fmt: skip
        label_accuracy_axes(axes)
        return figure


def as_object(comparison: Comparison, grids: Sequence[str], repeats: int) -> dict[str, Any]:
    """Return a comparison as JSON: accuracies and areas in percent, differences A − B, a missing interval as null.

    Args:
        comparison: The comparison.
        grids: Paths of the grids.
        repeats: Number of repeats.
    """
    area = comparison.area
    return {
        "a": comparison.a.label,
        "b": comparison.b.label,
        "grids": list(grids),
        "repeats": repeats,
        "failures": {"a": dict(comparison.a.failures), "b": dict(comparison.b.failures)},
        "area": None if area is None else _figure(area, 100) | {"low": comparison.low, "high": comparison.high},
        "saving": None if comparison.saving is None else asdict(comparison.saving.times(100)),
        "points": [
            {
                "beta_a": point.beta_a,
                "beta_b": point.beta_b,
                "accuracy": _figure(point.accuracy, 100),
                "tokens": _figure(point.tokens, 1),
                "only_a": 100 * point.only_a,
                "only_b": 100 * point.only_b,
            }
            for point in comparison.points
        ],
    }


def _line(text: str) -> "RenderableType":
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ignore")


def _figure(figure: Paired, unit: float) -> dict[str, float | None]:
    return {
        "a": unit * figure.a,
        "b": unit * figure.b,
        "difference": unit * figure.difference.value,
        "difference_low": None if figure.difference.low is None else unit * figure.difference.low,
        "difference_high": None if figure.difference.high is None else unit * figure.difference.high,
        "superiority": figure.superiority,
    }


def _cells(point: ComparedPoint) -> tuple[str, ...]:
    accuracy, tokens = point.accuracy, point.tokens
    return (
        _betas(point.beta_a, point.beta_b),
        f"{100 * accuracy.a:.2f}",
        f"{100 * accuracy.b:.2f}",
        accuracy.difference.text(100, "+.1f"),
        f"{accuracy.superiority:.3f}",
        f"{100 * point.only_a:.1f}",
        f"{100 * point.only_b:.1f}",
        f"{tokens.a:,.0f}",
        f"{tokens.b:,.0f}",
        tokens.difference.text(100 / tokens.b, "+.0f") if tokens.b else "–",
        f"{tokens.superiority:.3f}",
    )


def _betas(a: float | None, b: float | None) -> str:
    named = [f"{beta:g}" for beta in dict.fromkeys((a, b)) if beta is not None]
    return "/".join(named) or "–"


def _failures(curve: Curve) -> str:
    if not curve.failures:
        return ""
    counted = ", ".join(f"{status}: {count:,}" for status, count in curve.failures.items())
    return f"  failed: {counted}" + (f" ({in_own_name(curve.why, curve.label)})" if curve.why else "")
