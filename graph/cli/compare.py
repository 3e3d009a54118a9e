"""`autotts compare`: two controllers on the same episodes, paired, in one screen."""

import json
import sys
from typing import Any

import click

from envdata.grid import Grid
from envdata.scoring import Paired
from graph.cli.evaluate import DEFAULT_BETAS, make_plan
from graph.cli.options import Betas, evaluation_options, make_settings
from graph.cli.progress import episode_progress
from graph.comparison import Comparison, compare
from graph.curves import Curve, Questions
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator


class TokenRange(click.ParamType[tuple[float, float]]):
    """A range of tokens, `LOW:HIGH`."""

    name = "low:high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Two rising numbers above 0."""
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(part) for part in value.split(":"))
        except ValueError:
            low = high = 0.0
        if not 0 < low < high < float("inf"):
            self.fail(f"{value!r} is not a rising range of tokens like 10000:500000", param, ctx)
        return low, high


@click.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--grid", "grids", multiple=True, required=True, metavar="FILE", help="A replay grid; may be given again."
)
@click.option("--betas", type=Betas(), default=DEFAULT_BETAS, show_default=True, help="As 0,0.5,1 or 0:1:0.1.")
@click.option(
    "--range",
    "token_range",
    type=TokenRange(),
    metavar="LOW:HIGH",
    help="Tokens that the area is taken over.  [default: from the cheapest to the dearest point of both]",
)
@evaluation_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def compare_command(
    a: str,
    b: str,
    grids: tuple[str, ...],
    betas: tuple[float, ...],
    token_range: tuple[float, float] | None,
    repeats: int,
    sandbox: str,
    jobs: int,
    as_json: bool,
    quiet: bool,
    **terms: Any,
) -> None:
    """Compare two controllers on the same episodes; no model is called.

    A and B are files or shipped controllers, as for `autotts evaluate`. They play the same questions under the same
    branch orders. Differences are A − B, with 95 % intervals from drawing the same questions for both; "A better" is
    the probability that A is the better one (the cheaper one, for tokens) on another draw of questions.
    """
    if a == b:
        raise click.UsageError(f"A and B are both {a!r}; give two controllers, or one with two settings")
    try:
        settings = make_settings(**terms)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    grids = tuple(dict.fromkeys(grids))
    questions = Questions(grids, tuple(tuple(Grid.load(grid).questions) for grid in grids))
    with Evaluator(settings, sandbox=sandbox, jobs=jobs) as evaluator:
        none = frozenset[float]()
        plans = [make_plan(evaluator, Candidate.parse(spec), grids, betas, repeats, none) for spec in (a, b)]
        with episode_progress("compare", quiet=quiet) as progress:
            episodes = evaluator.evaluate(plans, progress).episodes
    found = compare(episodes, a, b, questions, token_range)
    if as_json:
        click.echo(json.dumps(as_object(found, grids, repeats), ensure_ascii=False))
    else:
        print_comparison(found, grids, repeats, settings.order)


def as_object(found: Comparison, grids: tuple[str, ...], repeats: int) -> dict[str, Any]:
    """The comparison as JSON; accuracies and areas in percent, differences A − B."""
    return {
        "a": found.a.label,
        "b": found.b.label,
        "grids": list(grids),
        "repeats": repeats,
        "failures": {"a": dict(found.a.failures), "b": dict(found.b.failures)},
        "area": None if found.area is None else _figure(found.area, 100) | {"low": found.low, "high": found.high},
        "points": [
            {
                "beta_a": point.beta_a,
                "beta_b": point.beta_b,
                "accuracy": _figure(point.accuracy, 100),
                "tokens": _figure(point.tokens, 1),
                "only_a": 100 * point.only_a,
                "only_b": 100 * point.only_b,
            }
            for point in found.points
        ],
    }


def _figure(figure: Paired, unit: float) -> dict[str, float]:
    return {
        "a": unit * figure.a,
        "b": unit * figure.b,
        "difference": unit * figure.difference.value,
        "difference_low": unit * figure.difference.low,
        "difference_high": unit * figure.difference.high,
        "superiority": figure.superiority,
    }


def print_comparison(found: Comparison, grids: tuple[str, ...], repeats: int, order: str) -> None:
    """The comparison for people, in one screen."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    for name, curve in (("A", found.a), ("B", found.b)):
        console.print(Text.assemble(f"{name}  ", (curve.label, "bold"), _failures(curve)))
    each = sum(values.shape[1] for values in found.a.correct) * repeats
    where = grids[0] if len(grids) == 1 else f"{len(grids)} grids, their means"
    console.print(Text(f"{where}; {each:,} episodes a point, {repeats} repeats, order {order}"))
    table = Table(show_edge=False, pad_edge=False)
    for name in (
        "β",
        "A %",
        "B %",
        "A − B",
        "A better",
        "A alone",
        "B alone",
        "A tokens",
        "B tokens",
        "A − B",
        "A cheaper",
    ):
        table.add_column(name, justify="right")
    for point in found.points:
        accuracy, tokens = point.accuracy, point.tokens
        relative = tokens.b / 100
        table.add_row(
            _betas(point.beta_a, point.beta_b),
            f"{100 * accuracy.a:.2f}",
            f"{100 * accuracy.b:.2f}",
            _signed(accuracy, 100, 1),
            f"{accuracy.superiority:.3f}",
            f"{100 * point.only_a:.1f}",
            f"{100 * point.only_b:.1f}",
            f"{tokens.a:,.0f}",
            f"{tokens.b:,.0f}",
            _signed(tokens, 1 / relative, 0) + " %" if relative else "–",
            f"{tokens.superiority:.3f}",
        )
    console.print(table)
    if found.area is not None:
        area = found.area
        console.print(
            f"area, {found.low:,.0f} … {found.high:,.0f} tokens: A {100 * area.a:.2f}, B {100 * area.b:.2f}, "
            f"A − B {_signed(area, 100, 2)}; A better with probability {area.superiority:.3f}"
        )


def _betas(a: float | None, b: float | None) -> str:
    named = [f"{beta:g}" for beta in dict.fromkeys((a, b)) if beta is not None]
    return "/".join(named) or "–"


def _signed(figure: Paired, unit: float, digits: int) -> str:
    difference = figure.difference
    low, high = (f"{unit * end:+.{digits}f}" for end in (difference.low, difference.high))
    return f"{unit * difference.value:+.{digits}f} ({low} … {high})"


def _failures(curve: Curve) -> str:
    if not curve.failures:
        return ""
    counted = ", ".join(f"{status}: {count:,}" for status, count in curve.failures.items())
    return f"  failed: {counted}" + (f" ({curve.why})" if curve.why else "")
