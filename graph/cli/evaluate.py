"""`autotts evaluate`: controllers over grids and β, as a table, JSON lines and a Parquet file of episodes."""

import json
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from graph.cli.options import Betas, evaluation_options, make_settings
from graph.cli.progress import episode_progress
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Farm, Plan
from sandbox.host import CandidateFailed
from sandbox.results import write_table
from sandbox.summary import Row, summarise

DEFAULT_BETAS = "0:1:0.1"


@click.command("evaluate")
@click.argument("controllers", nargs=-1, required=True, metavar="CONTROLLER...")
@click.option(
    "--grid", "grids", multiple=True, required=True, metavar="FILE", help="A replay grid; may be given again."
)
@click.option("--betas", type=Betas(), default=DEFAULT_BETAS, show_default=True, help="As 0,0.5,1 or 0:1:0.1.")
@evaluation_options
@click.option("--executor", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="Where episodes are played: in --jobs processes here, or on a Ray cluster's nodes.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all episodes here, as Parquet.")
@click.option(
    "--traces",
    "traces_out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the action-by-action traces of repeat 0 here, as Parquet.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead of a table.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def evaluate_command(
    controllers: tuple[str, ...],
    grids: tuple[str, ...],
    betas: tuple[float, ...],
    repeats: int,
    sandbox: str,
    jobs: int,
    executor: str,
    out: Path | None,
    traces_out: Path | None,
    as_json: bool,
    quiet: bool,
    **terms: Any,
) -> None:
    """Evaluate controllers over replay grids; no model is called.

    A CONTROLLER is a file, or one of sc, asc, esc, answer_consistency, st_bon, parallel_probe and cmc, with settings
    that override its schedule if wanted, as in asc:max_branches=64,threshold=0.95. One whose schedule ignores β is run
    once. Accuracies come with their 95 % interval over questions.
    """
    try:
        settings = make_settings(**terms)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with Evaluator(settings, sandbox=sandbox, jobs=jobs, farm=make_farm(executor)) as evaluator:
        traced = frozenset(betas) if traces_out is not None else frozenset[float]()
        plans = [make_plan(evaluator, Candidate.parse(spec), grids, betas, repeats, traced) for spec in controllers]
        with episode_progress("evaluate", quiet=quiet) as progress:
            evaluation = evaluator.evaluate(plans, progress)
    if out is not None:
        write_table(evaluation.episodes, out)
    if traces_out is not None:
        write_table(evaluation.traces, traces_out)
    rows = list(summarise(evaluation.episodes))
    if as_json:
        print_json(rows, sys.stdout)
    else:
        print_table(rows, sandbox=evaluator.backend.name, answers_shown=settings.show_answers)
        if out is not None:
            click.echo(f"episodes: {out}")


def make_farm(executor: str) -> Farm | None:
    """Where episodes are played if not here; raises ClusterError if there is no cluster to play them on."""
    if executor == "local":
        return None
    from sandbox.cluster import RayFarm

    return RayFarm()


def make_plan(
    evaluator: Evaluator,
    candidate: Candidate,
    grids: tuple[str, ...],
    betas: tuple[float, ...],
    repeats: int,
    traced: frozenset[float],
) -> Plan:
    """What to play of a candidate: once if its schedule is the same for every β, those asked for and a few more."""
    # Three more than were asked for: that one value was wanted does not make a schedule deaf to it.
    asked = sorted({*betas, 0.0, 0.5, 1.0})
    try:
        ignores = evaluator.describe(candidate, asked).ignores_beta
    except CandidateFailed as failed:
        if candidate.settings:
            # Most likely the settings are at fault, and they are the user's.
            raise
        return Plan(candidate, grids, betas, repeats, traced, (failed.status, failed.why))
    return Plan(candidate, grids, None if ignores else betas, repeats, traced)


def print_json(rows: list[Row], stream: TextIO) -> None:
    """One object a line; accuracies in percent, means unrounded."""
    for row in rows:
        stream.write(
            json.dumps(
                {
                    "controller": row.controller,
                    "grid": row.grid,
                    "beta": row.beta,
                    "status": row.status,
                    "accuracy": 100 * row.accuracy.value,
                    "accuracy_low": 100 * row.accuracy.low,
                    "accuracy_high": 100 * row.accuracy.high,
                    "tokens": row.tokens,
                    "sequential_tokens": row.sequential_tokens,
                    "longest_branch": row.longest_branch,
                    "branches": row.branches,
                    "episodes": row.episodes,
                    "failures": row.failures,
                    "why": row.why,
                },
                ensure_ascii=False,
            )
            + "\n"
        )


def print_table(rows: list[Row], *, sandbox: str, answers_shown: bool) -> None:
    """The rows for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = ", answers shown to controllers" if answers_shown else ""
    table = Table(
        title=f"accuracy with its 95 % interval over questions; sandbox {sandbox}{shown}", title_justify="left"
    )
    for name in ("controller", "grid"):
        table.add_column(name, overflow="fold")
    for name in ("β", "accuracy %", "tokens", "sequential", "branches", "episodes"):
        table.add_column(name, justify="right")
    table.add_column("status", overflow="fold")
    for row in rows:
        accuracy = row.accuracy
        table.add_row(
            Text(row.controller),
            Text(row.grid),
            "–" if row.beta is None else f"{row.beta:g}",
            f"{100 * accuracy.value:.2f} ({100 * accuracy.low:.1f}–{100 * accuracy.high:.1f})",
            f"{row.tokens:,.0f}",
            f"{row.sequential_tokens:,.0f}",
            f"{row.branches:.1f}",
            f"{row.episodes:,}",
            Text(_status(row)),
        )
    # Piped output has no terminal to fit into: nothing is folded there.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)


def _status(row: Row) -> str:
    if not row.failures:
        return row.status
    counted = ", ".join(f"{status}: {count:,}" for status, count in row.failures.items())
    return f"{counted} ({row.why})" if row.why else counted
