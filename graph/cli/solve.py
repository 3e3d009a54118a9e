"""`autotts solve`: solves a question with a controller over a live model."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from graph.analysis.equal_accuracy import EqualAccuracy, NoEqualAccuracy, equal_accuracy
from graph.analysis.solution_cost import cost_text, dollars_object, equal_accuracy_object, start_text
from graph.analysis.token_prices import LivePrices
from graph.cli.errors import Interrupted
from graph.cli.foreign_text import echo, echo_json
from graph.cli.judge_options import judge_options, make_judge
from graph.cli.live_branches import live_branch_view
from graph.cli.live_options import (
    episode_options,
    failure_option,
    live_errors,
    live_query_options,
    make_engine,
    make_live_settings,
    make_terms,
    model_options,
    say_fallbacks,
    say_if_streams,
)
from graph.cli.prices_option import live_prices_options, make_live_prices
from sandbox.candidate import Candidate
from sandbox.host import InfrastructureError
from sandbox.live import Solution, Solver
from sandbox.live.solver import Watch
from sandbox.results import write_table
from sandbox.sanitize import quoted


@click.command("solve")
@click.argument("question")
@click.option(
    "--controller", required=True, metavar="FILE|NAME", help="With settings if wanted, as in asc:threshold=0.9."
)
@click.option("--beta", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@model_options("--server")
@live_query_options
@episode_options
@failure_option
@judge_options
@click.option("--seed", type=click.IntRange(0), help="Seed of sampling.  [default: a new one each time]")
@live_prices_options
@click.option("--text", "show_text", is_flag=True, help="Print the reasoning that leads to the answer, too.")
@click.option("--traces", type=click.Path(dir_okay=False, path_type=Path), help="Write the trace here, as Parquet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Print only the answer.")
def solve_command(
    question: str,
    controller: str,
    beta: float,
    seed: int | None,
    show_text: bool,
    traces: Path | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Solve a question with a controller that decides over a live model.

    Prints the answer, its cost, and the cost of self-consistency: with --like GRID of as many branches as make it as
    accurate on that grid, where both are replayed first, otherwise of as many as the controller opened. Where standard
    error is a terminal, the branches are shown as they grow.
    """
    live_settings, candidate = make_live_settings(given), Candidate.parse(controller)
    judge = make_judge(given)
    prices = make_live_prices(given, judge)
    solver = Solver(
        make_engine(given), live_settings, sandbox=given["sandbox"], terms=make_terms(given),
        on_failure=given["on_failure"], seconds=given["seconds"], judge=judge,
    )  # fmt: skip

    async def run(watch: Watch | None) -> Solution:
        async with solver:
            if not quiet:
                say_if_streams(solver)
            return await solver.solve(question, candidate, beta, seed=seed, watch=watch)

    with live_errors(), live_branch_view(f"{controller} at β = {beta:g}", quiet=quiet or as_json) as watch:
        try:
            solution = asyncio.run(run(watch))
        except KeyboardInterrupt:
            raise Interrupted("stopped; no branch is left running") from None
    if traces is not None:
        write_table(solution.trace, traces)
    if as_json:
        told = as_object(solution, prices, _equal_accuracy(candidate, beta, given))
        start = None if solver.start_cost is None else asdict(solver.start_cost)
        echo_json({**told, "start": start, "fallback_requests": solver.fallback_requests})
        return
    if show_text and not quiet:
        echo(solution.text.strip() + "\n")
    echo("no answer" if solution.answer is None else quoted(solution.answer))
    if not quiet:
        echo(cost_text(solution, prices, _equal_accuracy(candidate, beta, given)), err=True)
        if started := start_text(solver.start_cost):
            echo(started, err=True)
        say_fallbacks(solver)


def _equal_accuracy(candidate: Candidate, beta: float, given: dict[str, Any]) -> EqualAccuracy | None:
    """Return self-consistency that is as accurate on the grid of --like; None without one, or where it is not known."""
    if not given["like"]:
        return None
    try:
        return equal_accuracy(candidate, beta, given["like"], make_terms(given), sandbox=given["sandbox"])
    except (NoEqualAccuracy, InfrastructureError) as error:
        echo(f"compared at equal width: {error}", err=True)
        return None


def as_object(solution: Solution, prices: LivePrices | None, equal: EqualAccuracy | None) -> dict[str, Any]:
    """Return the object that --json prints."""
    return {
        "answer": solution.answer,
        "text": solution.text,
        "status": solution.status.label,
        "failed_by": solution.failed_by,
        "why": solution.why,
        "cost": {**asdict(solution.cost), "generated": solution.cost.generated},
        "self_consistency": asdict(solution.self_consistency),
        "equal_accuracy": equal_accuracy_object(solution, equal),
        "dollars": dollars_object(solution, prices, equal),
        "branches": [asdict(branch) for branch in solution.branches],
        "seed": solution.seed,
    }
