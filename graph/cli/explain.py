"""`autotts explain`: what a controller does and why, measured by replay, in tables and in words."""

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from graph.cli.evaluate import DEFAULT_BETAS
from graph.cli.options import Betas, evaluation_options, make_settings
from graph.cli.progress import episode_progress
from graph.critic.endings import ENDS
from graph.explaining.explanation import Explanation, Knob, explain
from graph.explaining.words import in_words
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator

COLUMNS = 6
"""β that fit beside one another."""


@click.command("explain")
@click.argument("controller")
@click.option(
    "--grid", "grids", multiple=True, required=True, metavar="FILE", help="A replay grid; may be given again."
)
@click.option("--betas", type=Betas(), default=DEFAULT_BETAS, show_default=True, help="As 0,0.5,1 or 0:1:0.1.")
@click.option("--at", "reference", type=click.FloatRange(0, 1),
              help="The β at which knobs are moved one by one.  [default: the middle one]")  # fmt: skip
@evaluation_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def explain_command(
    controller: str,
    grids: tuple[str, ...],
    betas: tuple[float, ...],
    reference: float | None,
    repeats: int,
    sandbox: str,
    jobs: int,
    as_json: bool,
    quiet: bool,
    **terms: Any,
) -> None:
    """Explain a controller: knobs over β, what it spends where, when it stops, which knob matters; no model is called.

    CONTROLLER is a file or a shipped one, as for `autotts evaluate`. Knobs are moved one at a time to the values that
    they have at the smallest and the largest β, and the same episodes are played again; differences are paired, with
    95 % intervals over questions. How episodes are spent and end is read off the traces of repeat 0.
    """
    try:
        settings = make_settings(**terms)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    middle = betas[len(betas) // 2] if reference is None else reference
    candidate = Candidate.parse(controller)
    with (
        Evaluator(settings, sandbox=sandbox, jobs=jobs) as evaluator,
        episode_progress("explain", quiet=quiet) as progress,
    ):
        names = tuple(dict.fromkeys(grids))
        found = explain(evaluator, candidate, names, betas, repeats, reference=middle, progress=progress)
    if as_json:
        click.echo(json.dumps({**asdict(found), "words": in_words(found)}, ensure_ascii=False))
    else:
        print_explanation(found)


def print_explanation(found: Explanation) -> None:
    """For people: words first, then the tables that they stand on."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(Text(f"{found.label} ({found.name})", style="bold"))
    for sentence in in_words(found):
        console.print(Text(sentence))
    console.print()
    console.print(_sweep(found))
    if any(knob.moves for knob in found.knobs):
        console.print(_effects(found))
    if found.unmoved:
        console.print(Text(f"Not moved, for there are too many: {', '.join(found.unmoved)}"))
    console.print(_ends(found))


def _sweep(found: Explanation) -> Any:
    from rich.table import Table
    from rich.text import Text

    shown = _spread(len(found.betas))
    table = Table(title="over β", title_justify="left")
    table.add_column("", overflow="fold")
    for place in shown:
        table.add_column(f"β = {found.betas[place]:g}", justify="right")
    table.add_column("", overflow="fold")
    if len(found.points) == len(found.betas):
        points = [found.points[place] for place in shown]
    else:
        points = [found.points[0] for _ in shown]
    table.add_row("accuracy %", *(f"{100 * point.accuracy.value:.2f}" for point in points), "")
    table.add_row("tokens", *(f"{point.tokens:,.0f}" for point in points), "", end_section=True)
    for knob in found.knobs:
        table.add_row(Text(knob.name), *(f"{knob.values[place]:.4g}" for place in shown), knob.trend)
    return table


def _effects(found: Explanation) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"one knob moved at β = {found.reference:g}, all others as they are", title_justify="left")
    for name in ("knob", "from", "to", "accuracy, points", "tokens"):
        table.add_column(name, justify="left" if name == "knob" else "right")
    for knob in found.knobs:
        for row in _rows(knob):
            table.add_row(Text(knob.name), *row)
    return table


def _rows(knob: Knob) -> list[tuple[str, str, str, str]]:
    rows = []
    for move in knob.moves:
        if move.accuracy is None or move.tokens is None:
            accuracy, tokens = "failed", ", ".join(move.failures)
        else:
            difference = move.accuracy.difference
            accuracy = f"{100 * difference.value:+.2f} ({100 * difference.low:+.2f} … {100 * difference.high:+.2f})"
            tokens = f"{100 * (move.tokens.a / move.tokens.b - 1):+.1f} %" if move.tokens.b else "–"
        rows.append((f"{knob.reference:.4g}", f"{move.value:.4g}", accuracy, tokens))
    return rows


def _ends(found: Explanation) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="how traced episodes end (repeat 0)", title_justify="left")
    for name in ("β", "episodes", "right", "tokens", "because", "its last remark"):
        table.add_column(name, justify="left" if name in ("because", "its last remark") else "right")
    for digest in found.digests:
        for stop in digest.stops:
            beta = "–" if digest.beta is None else f"{digest.beta:g}"
            table.add_row(
                beta, str(stop.episodes), str(stop.right), f"{stop.tokens:,.0f}", ENDS[stop.end], Text(stop.said or "")
            )
    return table


def _spread(count: int) -> list[int]:
    """Places of at most `COLUMNS` β, both ends among them."""
    if count <= COLUMNS:
        return list(range(count))
    return [round(place * (count - 1) / (COLUMNS - 1)) for place in range(COLUMNS)]
