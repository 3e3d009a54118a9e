"""`autotts validate`: compares a controller's figures in replay with those on the live model."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from envdata.grid import Grid
from envdata.intervals import Interval
from envdata.live.judge import Judge
from envdata.progress import Progress
from envdata.sample_size import POWER, questions_needed, smallest_difference
from graph.analysis.live_bill import bill_lines, bill_object, live_bill
from graph.analysis.solution_cost import start_text
from graph.analysis.token_prices import LivePrices
from graph.cli.collect import read_template
from graph.cli.errors import Interrupted
from graph.cli.foreign_text import echo, echo_json, print_rich
from graph.cli.judge_options import judge_options, make_judge
from graph.cli.live_options import (
    episode_options,
    live_errors,
    make_engine,
    make_terms,
    model_options,
    say_fallbacks,
    say_if_streams,
)
from graph.cli.output_files import check_out
from graph.cli.prices_option import live_prices_options, make_live_prices
from graph.cli.setting_options import setting_option
from graph.run.settings import SETTINGS
from sandbox.candidate import Candidate
from sandbox.evaluation_plan import MOST_REPEATS
from sandbox.live import Solver
from sandbox.live.live_records import LiveRecords
from sandbox.live.validation import (
    EPISODES,
    LivePlan,
    Validation,
    compare_figures,
    differences,
    live_settings_of,
    play_live,
    play_replay,
)
from sandbox.live.validation_progress import ValidationProgress
from sandbox.results import write_table

COLUMNS = 140
"""Width of the table where standard output is not a terminal."""


@click.command("validate")
@click.argument("controllers", nargs=-1, required=True, metavar="CONTROLLER...")
@click.option("--grid", "grid_path", required=True, metavar="FILE|NAME", help="Grid of the live model.")
@model_options("--server", timeout=3600.0)
@setting_option(SETTINGS["betas"], default="0.5")
@click.option(
    "--questions", "source", metavar="SOURCE", help="The grid's questions, where its provenance is incomplete."
)
@click.option("--template", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Their template.")
@click.option("--limit", type=click.IntRange(2), help="Number of questions to play, from the first.  [default: all]")
@click.option("--repeats", type=click.IntRange(1, MOST_REPEATS), default=50, show_default=True,
              help="Branch orders in replay.")  # fmt: skip
@click.option("--live-repeats", type=click.IntRange(1), default=1, show_default=True,
              help="Live episodes per question; more make the figures less random.")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 256), default=4, show_default=True, help="Questions at once, live.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of live sampling.")
@episode_options
@judge_options
@click.option("--difference", type=click.FloatRange(0, 100, min_open=True), default=5.0, show_default=True,
              metavar="POINTS", help="Tell how many questions find a difference in accuracy of this size.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the live episodes here, as Parquet; until then those played are in OUT.played.")  # fmt: skip
@live_prices_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per controller and β.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def validate_command(
    controllers: tuple[str, ...],
    grid_path: str,
    betas: tuple[float, ...],
    difference: float,
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Play controllers live on a grid's own questions, and compare the figures with replay.

    The model has to be the one that the grid was collected from; prompts and sampling are the grid's. Intervals are
    95 % over questions; the difference is live − replay, paired by question, and its interval includes the randomness
    of live sampling.

    With --out a validation that was stopped, even by SIGKILL, continues when the same command is given again: each
    episode is recorded as it ends, and only those that were running are played again.
    """
    check_out(out, EPISODES)
    grid = Grid.load(grid_path)
    given["chat_template"] = None
    candidates = [Candidate.parse(spec) for spec in controllers]
    judge = make_judge(given)
    prices = make_live_prices(given, judge)
    with contextlib.ExitStack() as stack, live_errors():
        records = None if out is None else stack.enter_context(LiveRecords(out))
        validations = _played(candidates, grid, betas, given, judge, records)
        if out is not None:
            write_table(pa.concat_tables([validation.episodes for validation in validations]), out)
        if records is not None:
            records.remove()
    for validation in validations:
        if as_json:
            echo_json(as_object(validation, difference, prices))
        else:
            print_validation(validation, difference, prices, given["at_once"])


def _played(
    candidates: Sequence[Candidate],
    grid: Grid,
    betas: Sequence[float],
    given: dict[str, Any],
    judge: Judge | None,
    records: LiveRecords | None,
) -> list[Validation]:
    """Return the validations; an error says what is recorded. `given` holds the options' values by parameter."""
    with contextlib.ExitStack() as stack:
        shown = None if given["quiet"] else stack.enter_context(Progress("live", "episodes"))
        try:
            with live_errors():
                return asyncio.run(_validate(candidates, grid, betas, given, judge, records, shown))
        except click.UsageError:
            raise
        except click.ClickException as error:
            raise click.ClickException(error.message + _how_to_go_on(records)) from None
        except KeyboardInterrupt:
            raise Interrupted(f"stopped; no branch is left running{_how_to_go_on(records)}") from None


def _how_to_go_on(records: LiveRecords | None) -> str:
    count = 0 if records is None else records.count()
    if records is None or not count:
        return ""
    return f"; {count:,} episodes are kept in {records.folder}: give the same command again to go on"


async def _validate(
    candidates: Sequence[Candidate],
    grid: Grid,
    betas: Sequence[float],
    given: dict[str, Any],
    judge: Judge | None,
    records: LiveRecords | None,
    shown: Progress | None,
) -> list[Validation]:
    """Return a validation for each controller and β; progress is shown on `shown`, if any."""
    live_settings = live_settings_of(grid, given["source"], read_template(given["template"]))
    chosen = range(min(given["limit"] or len(grid.questions), len(grid.questions)))
    terms, repeats = make_terms(given), given["repeats"]
    solver = Solver(
        make_engine(given), live_settings[0], sandbox=given["sandbox"], terms=terms, seconds=given["seconds"],
        judge=judge,
    )  # fmt: skip
    plan = LivePlan(
        grid, live_settings, chosen, given["live_repeats"], given["at_once"], given["seed"], given["model"], terms,
        given["seconds"], " ".join((given["judge"], *given["judge_args"])) if given["judge"] else None,
        given["protocol"],
    )  # fmt: skip
    total = len(candidates) * len(betas) * len(chosen) * plan.repeats
    progress = ValidationProgress(total, None if shown is None else shown.update)
    validations = []
    async with solver:
        say_if_streams(solver)
        for note in differences(grid, solver, given["model"]):
            echo(f"differs from the collection: {note}", err=True)
        for candidate in candidates:
            solver.check(candidate)
        if shown is not None:
            shown.say(_start_text(total, records))
        for candidate in candidates:
            for beta in betas:
                title = f"{candidate.label} at β = {beta:g}"
                progress.begin(f"replaying {title}")
                replay = await asyncio.to_thread(
                    play_replay, candidate, grid, beta, terms, chosen, sandbox=given["sandbox"], repeats=repeats
                )
                progress.begin(title)
                try:
                    live = await play_live(solver, candidate, beta, plan, progress, records)
                except BaseExceptionGroup as failed:
                    raise failed.exceptions[0] from None
                validations.append(compare_figures(candidate, beta, replay, live, repeats=repeats))
    say_fallbacks(solver)
    if shown is not None and (started := start_text(solver.start_cost)):
        shown.say(started)
    if shown is not None and progress.recorded:
        shown.say(f"{progress.recorded:,} episodes had been played before, by a command that was stopped")
    return validations


def _start_text(total: int, records: LiveRecords | None) -> str:
    """Return the line that the live part begins with: its size, and where it is recorded."""
    if records is None:
        return f"live: {total:,} episodes; with --out FILE a validation that is stopped can go on"
    known = records.count()
    return f"live: {total:,} episodes, recorded in {records.folder}" + (f", {known:,} of them before" if known else "")


def as_object(validation: Validation, points: float, prices: LivePrices | None) -> dict[str, Any]:
    """Return the object that --json prints; accuracies in percent, a missing interval as null.

    Args:
        validation: The validation.
        points: Difference in accuracy whose number of questions is told, in percentage points.
        prices: Prices of the model's tokens, for costs in dollars.
    """
    values = {name: value for name, value in vars(validation).items() if name not in ("rows", "episodes")}
    figures = {
        row.figure: {
            name: asdict(getattr(row, name).times(100 if row.figure == "accuracy" else 1))
            for name in ("replay", "live", "difference")
        }
        for row in validation.rows
    }
    found = smallest_difference(validation.discordance, validation.questions)
    needed = {
        "difference": points,
        "questions": questions_needed(validation.discordance, points / 100),
        "found_by_these": None if found is None else 100 * found,
        "power": POWER,
    }
    bill = bill_object(live_bill(validation.episodes, prices), prices)
    return {**values, "figures": figures, "questions_needed": needed, "bill": bill}


def print_validation(validation: Validation, points: float, prices: LivePrices | None, at_once: int) -> None:
    """Print a validation as a table, the bill of the live episodes, and how many questions find `points` points."""
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
    print_rich(table, columns=COLUMNS)
    for line in bill_lines(live_bill(validation.episodes, prices), prices, at_once):
        click.echo(f"live, an episode: {line}")
    if validation.live_repeats == 1:
        click.echo("live: one draw a question, whose randomness is in the intervals; --live-repeats N draws more")
    click.echo(needed_text(validation, points))
    for by, count in validation.failures.items():
        click.echo(f"live: {count} episodes failed because of the {by}")


def needed_text(validation: Validation, points: float) -> str:
    """Return how many questions find a difference of `points` points in accuracy, and which one these find."""
    psi, repeats = validation.discordance, validation.live_repeats
    needed = questions_needed(psi, points / 100)
    if needed is None:
        return "accuracy: no question differs, so how many questions a difference needs is not known"
    found = smallest_difference(psi, validation.questions)
    these = "can find none" if found is None else f"find one of {100 * found:.1f}"
    return (
        f"accuracy: a difference of {points:g} points takes about {needed:,} questions, played {repeats} × live, to be "
        f"found with {POWER:.0%} probability; these {validation.questions:,} {these}"
    )


def _figure(figure: Interval, times: int) -> str:
    """Return a figure and its interval as text, multiplied by `times`."""
    return figure.text(times, ",.1f")
