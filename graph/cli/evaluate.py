"""`autotts evaluate`: evaluates controllers over grids and β: a table, JSON lines, a Parquet file of episodes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from envdata.progress import shown_progress
from graph.analysis.evaluation import evaluate_candidates
from graph.analysis.token_prices import TokenPrices
from graph.cli.foreign_text import PrintedLines, echo_json, print_result
from graph.cli.options import evaluation_options, give_up_option, make_evaluation_settings
from graph.cli.output_files import check_out
from graph.cli.prices_option import prices_option
from sandbox.candidate import Candidate
from sandbox.evaluate import TRACES, Evaluator, GivenUp
from sandbox.evaluation_cache import EvaluationCache
from sandbox.host import InfrastructureError
from sandbox.results import EPISODES, write_table
from sandbox.summary import failed_everywhere

ALL_FAILED = 3
"""The exit status when every episode of a controller failed."""


@click.command("evaluate")
@click.argument("controllers", nargs=-1, required=True, metavar="CONTROLLER...")
@evaluation_options
@give_up_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              help="Write all episodes here, as Parquet; until then those played are in OUT.played.")  # fmt: skip
@click.option(
    "--traces",
    "traces_out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the action-by-action traces of repeat 0 here, as Parquet.",
)
@prices_option
@click.option(
    "--show-output",
    is_flag=True,
    help="Print on standard error what controllers print, one repeat after the other, in one process.",
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
    give_up_after: int,
    out: Path | None,
    traces_out: Path | None,
    prices: TokenPrices | None,
    show_output: bool,
    as_json: bool,
    quiet: bool,
    **terms: Any,
) -> None:
    """Evaluate controllers over replay grids; no model is called.

    A CONTROLLER is a file, or one of sc, asc, esc, answer_consistency, st_bon, parallel_probe, cmc, first_finished,
    consol, deepconf, surge, hindsight, photo_finish, purse and best_of, with settings that override its schedule, as in
    asc:max_branches=64,threshold=0.95. One whose schedule ignores β is run once. Accuracies come with their 95 %
    interval over questions; several grids get a row for their mean too. With sc among them, a second table has each
    controller against it: tokens saved at its best accuracy, accuracy at its tokens, and gain.

    With --out an evaluation that was stopped, even by SIGKILL, continues when the same call is given again. The exit
    status is 0 if every controller completed an episode, 3 if all episodes of one failed (files and figures are written
    all the same), 1 if an error stopped the evaluation, and 2 for a wrong call.
    """
    check_out(out, EPISODES)
    check_out(traces_out, TRACES, "--traces")
    if out is not None and traces_out is not None and out.resolve() == traces_out.resolve():
        raise click.UsageError(f"--out and --traces are both {out}; give two files")
    grids = tuple(dict.fromkeys(grids))
    cache = None if out is None else EvaluationCache(out.with_name(f"{out.name}.played"))
    if cache is not None and terms["secret"] is None:
        # The same call has to draw the same numbers when it continues.
        terms["secret"] = cache.secret()
    settings = make_evaluation_settings(**terms)
    candidates = [Candidate.parse(spec) for spec in controllers]
    if show_output and executor != "local":
        raise click.UsageError("--show-output is for episodes that are played here; leave --executor away")
    printed = PrintedLines() if show_output else None
    with Evaluator(
        settings, sandbox=sandbox, jobs=1 if show_output else jobs, executor=executor, on_output=printed
    ) as evaluator:
        try:
            with shown_progress("evaluate", quiet=quiet or show_output) as progress:
                result = evaluate_candidates(
                    evaluator, candidates, grids, betas, repeats, traced=traces_out is not None,
                    give_up_after=give_up_after, cache=cache, prices=prices, progress=progress,
                )  # fmt: skip
        except InfrastructureError as error:
            if cache is None:
                raise
            kept = f"what was played is kept in {cache.folder}: give the same call again to go on"
            raise InfrastructureError(f"{error}; {kept}") from error
    if printed is not None:
        printed.end()
    if out is not None:
        write_table(result.episodes, out)
    if traces_out is not None:
        write_table(result.traces, traces_out)
    if cache is not None:
        if result.cached and not quiet:
            click.echo(f"{result.cached:,} episodes had been played before, by a call that was stopped", err=True)
        cache.remove()
    if as_json:
        for row in result.objects():
            echo_json(row)
    else:
        print_result(result)
        if out is not None:
            click.echo(f"episodes: {out}")
    end_if_all_failed(result.episodes, result.given_up)


def end_if_all_failed(episodes: pa.Table, given_up: Sequence[GivenUp]) -> None:
    """Print which controllers were given up; exit with `ALL_FAILED` if every episode of a controller failed."""
    for each in given_up:
        click.echo(str(each), err=True)
    failed = failed_everywhere(episodes)
    if failed:
        click.echo(f"every episode failed of {', '.join(failed)}", err=True)
        click.get_current_context().exit(ALL_FAILED)
