"""`autotts explain`: explains a controller by replay, in tables and in sentences."""

from typing import Any

import click

from envdata.progress import shown_progress
from graph.analysis.explanation import explain
from graph.analysis.explanation_tables import as_object
from graph.cli.foreign_text import echo_json, print_result
from graph.cli.options import evaluation_options, make_evaluation_settings
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator


@click.command("explain")
@click.argument("controller")
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
    executor: str,
    as_json: bool,
    quiet: bool,
    **terms: Any,
) -> None:
    """Explain a controller: knobs over β, its spending, when it stops, which knob matters; no model is called.

    CONTROLLER is a file or a shipped one, as for `autotts evaluate`. Knobs are moved one at a time to the values that
    they have at the smallest and the largest β, and the same episodes are played again; differences are paired, with
    95 % intervals over questions. Spending and the ends of episodes are taken from the traces of repeat 0.
    """
    settings = make_evaluation_settings(**terms)
    middle = betas[len(betas) // 2] if reference is None else reference
    candidate = Candidate.parse(controller)
    with (
        Evaluator(settings, sandbox=sandbox, jobs=jobs, executor=executor) as evaluator,
        shown_progress("explain", quiet=quiet) as progress,
    ):
        names = tuple(dict.fromkeys(grids))
        explanation = explain(evaluator, candidate, names, betas, repeats, reference=middle, progress=progress)
    if as_json:
        echo_json(as_object(explanation))
    else:
        print_result(explanation)
