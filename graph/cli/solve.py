"""`autotts solve`: one question, a controller and a live model."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from graph.cli.growing import growing
from graph.cli.live_options import (
    asking_options,
    clear_errors,
    episode_options,
    make_asking,
    make_engine,
    make_terms,
    model_options,
)
from sandbox.candidate import Candidate
from sandbox.results import write_table
from sandbox.solving import Solution, Solver
from sandbox.solving.solver import Watch


@click.command("solve")
@click.argument("question")
@click.option(
    "--controller", required=True, metavar="FILE|NAME", help="With settings if wanted, as in asc:threshold=0.9."
)
@click.option("--beta", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@model_options("--server")
@asking_options
@episode_options
@click.option("--seed", type=click.IntRange(0), help="Of the draws.  [default: another each time]")
@click.option("--text", "show_text", is_flag=True, help="Print the reasoning that comes to the answer, too.")
@click.option("--traces", type=click.Path(dir_okay=False, path_type=Path), help="Write what happened here, as Parquet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="Print the answer alone.")
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

    The answer is printed, then what it cost, and what self-consistency with as many branches would have. Where
    standard error is a terminal, the branches are seen growing.
    """
    asking, candidate = make_asking(given), Candidate.parse(controller)
    engine = make_engine(given)

    async def run(watch: Watch | None) -> Solution:
        solver = Solver(
            engine, asking, sandbox=given["sandbox"], terms=make_terms(given), on_failure=given["on_failure"],
            seconds=given["seconds"],
        )  # fmt: skip
        async with solver:
            return await solver.solve(question, candidate, beta, seed=seed, watch=watch)

    with clear_errors(), growing(f"{controller} at β = {beta:g}", quiet=quiet or as_json) as watch:
        try:
            solution = asyncio.run(run(watch))
        except KeyboardInterrupt:
            click.echo("\nInterrupted; no branch is left running.", err=True)
            raise SystemExit(130) from None
    if traces is not None:
        write_table(solution.trace, traces)
    if as_json:
        click.echo(json.dumps(as_object(solution), ensure_ascii=False))
        return
    if show_text and not quiet:
        click.echo(solution.text.strip() + "\n")
    click.echo("no answer" if solution.answer is None else solution.answer)
    if not quiet:
        click.echo(told(solution), err=True)


def as_object(solution: Solution) -> dict[str, Any]:
    """What is printed with --json."""
    return {
        "answer": solution.answer,
        "text": solution.text,
        "status": solution.status.label,
        "failed_by": solution.failed_by,
        "why": solution.why,
        "cost": {**asdict(solution.cost), "generated": solution.cost.generated},
        "self_consistency": asdict(solution.self_consistency),
        "branches": [asdict(branch) for branch in solution.branches],
        "seed": solution.seed,
    }


def told(solution: Solution) -> str:
    """What the answer cost, in a few lines."""
    cost, width = solution.cost, solution.self_consistency
    lines = [] if solution.failed_by is None else [f"the majority of what there was: {solution.why}"]
    lines.append(
        f"{cost.generated:,} tokens generated, {cost.probe_tokens:,} of them by probes, {cost.wasted:,} for nothing; "
        f"{cost.sequential_tokens:,} one after the other; {cost.seconds:.1f} s"
    )
    lines.append(
        f"{cost.prompt_tokens:,} prompt tokens, {cost.cached_tokens:,} of them cached, in {cost.requests:,} requests"
    )
    if width.branches:
        whole = width.known == width.branches
        known = "" if whole else f", estimated from the {width.known} that were read whole"
        share = f" ({cost.generated / width.tokens:.0%} of that were generated)" if width.tokens else ""
        tokens = f"{width.tokens:,} tokens{known}{share}"
        if not width.known:
            tokens = f"more than {width.tokens:,} tokens: none was read whole, so its length is not known"
        lines.append(f"self-consistency with {width.branches} branches: {tokens}")
    return "\n".join(lines)
