"""`autotts validate`: what replay says of a controller beside what it does live."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from envdata.grid import Grid
from envdata.scoring import Interval
from graph.cli.live_options import clear_errors, episode_options, make_engine, make_terms, model_options
from graph.cli.options import Betas
from graph.cli.progress import episode_progress
from sandbox.candidate import Candidate
from sandbox.evaluate import Progress
from sandbox.results import write_table
from sandbox.solving import Solver
from sandbox.solving.validating import Validation, askings, differences, lived, replayed, validated


@click.command("validate")
@click.argument("controllers", nargs=-1, required=True, metavar="CONTROLLER...")
@click.option("--grid", "grid_path", required=True, metavar="FILE", help="Collected from the model that is asked now.")
@model_options("--server")
@click.option("--betas", type=Betas(), default="0.5", show_default=True, help="As 0,0.5,1 or 0:1:0.1.")
@click.option("--questions", "source", metavar="SOURCE", help="The grid's questions, where it does not say enough.")
@click.option("--template", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Their template.")
@click.option("--limit", type=click.IntRange(2), help="Play the first so many questions.  [default: all]")
@click.option("--repeats", type=click.IntRange(1), default=50, show_default=True, help="Branch orders in replay.")
@click.option("--live-repeats", type=click.IntRange(1), default=1, show_default=True,
              help="Times each question is played live: more leave less to the luck of the draw.")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 256), default=4, show_default=True, help="Questions at once, live.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the live draws.")
@episode_options
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the live episodes here, as Parquet."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a controller and β.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def validate_command(
    controllers: tuple[str, ...],
    grid_path: str,
    betas: tuple[float, ...],
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Play controllers live on a grid's own questions, and put replay and live side by side.

    The model has to be the one that the grid was collected from; how it is asked, the grid says. Intervals are 95 %
    over questions; the difference is live − replay, paired by question, and its interval holds the luck of the live
    draws too.
    """
    grid = Grid.load(grid_path)
    given["chat_template"] = None
    with clear_errors(), episode_progress("live", quiet=given["quiet"]) as progress:
        validations = asyncio.run(_validate(controllers, grid, betas, given, progress))
    if out is not None:
        write_table(pa.concat_tables([validation.episodes for validation in validations]), out)
    for validation in validations:
        if as_json:
            click.echo(json.dumps(as_object(validation), ensure_ascii=False))
        else:
            print_validation(validation)


async def _validate(
    controllers: tuple[str, ...], grid: Grid, betas: tuple[float, ...], given: dict[str, Any], progress: Progress | None
) -> list[Validation]:
    candidates = [Candidate.parse(spec) for spec in controllers]
    template: Path | None = given["template"]
    asked = askings(grid, given["source"], template.read_text("utf-8") if template else None)
    chosen = range(min(given["limit"] or len(grid.questions), len(grid.questions)))
    terms = make_terms(given)
    solver = Solver(make_engine(given), asked[0], sandbox=given["sandbox"], terms=terms, seconds=given["seconds"])
    found = []
    async with solver:
        for note in differences(grid, solver, given["model"]):
            click.echo(f"not the same: {note}", err=True)
        for candidate in candidates:
            for beta in betas:
                replay = await asyncio.to_thread(
                    replayed, candidate, grid, beta, terms, chosen, sandbox=given["sandbox"], repeats=given["repeats"]
                )  # fmt: skip
                try:
                    live = await lived(
                        solver, candidate, grid, asked, beta, chosen, repeats=given["live_repeats"],
                        at_once=given["at_once"], seed=given["seed"], report=progress,
                    )  # fmt: skip
                except BaseExceptionGroup as failed:
                    raise failed.exceptions[0] from None
                repeats = given["repeats"]
                found.append(validated(candidate, beta, grid, replay, live, solver, repeats=repeats))
    return found


def as_object(validation: Validation) -> dict[str, Any]:
    """What is printed with --json."""
    whole = {name: value for name, value in vars(validation).items() if name not in ("rows", "episodes")}
    return {**whole, "figures": {row.figure: {k: v for k, v in asdict(row).items() if k != "figure"}
                                 for row in validation.rows}}  # fmt: skip


def print_validation(validation: Validation) -> None:
    """A table for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    title = (
        f"{validation.controller} at β = {validation.beta:g}: {validation.questions} questions, replay in "
        f"{validation.repeats} orders, live {validation.live_repeats} ×; 95 % intervals over questions"
    )
    table = Table(title=Text(title), title_justify="left")
    table.add_column("an episode")
    for name in ("replay", "live", "live − replay"):
        table.add_column(name, justify="right")
    for row in validation.rows:
        percent = row.figure == "accuracy"
        name = f"{row.figure} %" if percent else row.figure
        figures = [_figure(each, 100 if percent else 1) for each in (row.replay, row.live, row.difference)]
        table.add_row(name, *figures)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    click.echo(
        f"live: {validation.generated:,.1f} tokens generated an episode, {validation.wasted:,.1f} of them for nothing; "
        f"{validation.seconds:.1f} s"
    )
    if validation.live_repeats == 1:
        click.echo("live: one draw a question, whose luck is in the intervals; --live-repeats N draws more")
    for by, count in validation.failures.items():
        click.echo(f"live: {count} episodes failed by the {by}")


def _figure(figure: Interval, times: int) -> str:
    value, low, high = (times * each for each in (figure.value, figure.low, figure.high))
    return f"{value:,.1f} ({low:,.1f} … {high:,.1f})"
