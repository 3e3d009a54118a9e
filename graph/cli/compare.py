"""`autotts compare`: compares two controllers on the same episodes, paired."""

from typing import Any

import click

from envdata.progress import shown_progress
from graph.analysis.comparison import TokenRangeError
from graph.analysis.comparison_result import as_object
from graph.analysis.evaluation import compare_candidates
from graph.cli.evaluate import end_if_all_failed
from graph.cli.foreign_text import echo_json, print_result
from graph.cli.options import evaluation_options, give_up_option, make_evaluation_settings
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator


class TokenRange(click.ParamType[tuple[float, float]]):
    """Option type for a range of tokens, `LOW:HIGH`."""

    name = "low:high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Return low and high with 0 < low < high. Raises click.BadParameter otherwise."""
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
    "--range",
    "token_range",
    type=TokenRange(),
    metavar="LOW:HIGH",
    help="Tokens that the area is taken over.  [default: from where both have a point to the dearest point]",
)
@evaluation_options
@give_up_option
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
    executor: str,
    give_up_after: int,
    as_json: bool,
    quiet: bool,
    **terms: Any,
) -> None:
    """Compare two controllers on the same episodes; no model is called.

    A and B are files or shipped controllers, as for `autotts evaluate`. They play the same questions under the same
    branch orders. Differences are A − B, question by question, with 95 % intervals over questions. "A better" (and "A
    cheaper") is 1 less the one-sided p-value of the paired randomisation test: of equal controllers one in twenty is
    beyond 0.975 or 0.025. For several grids the means over grids are compared, and the areas of each grid.

    Episodes of shipped controllers are kept in the user's cache and reused for equal settings. The exit status is as
    for `autotts evaluate`: 3 if every episode of A or of B failed.
    """
    if a == b:
        raise click.UsageError(f"A and B are both {a!r}; give two controllers, or one with two settings")
    settings = make_evaluation_settings(**terms)
    grids = tuple(dict.fromkeys(grids))
    with Evaluator(settings, sandbox=sandbox, jobs=jobs, executor=executor) as evaluator:
        try:
            with shown_progress("compare", quiet=quiet) as progress:
                result = compare_candidates(
                    evaluator, Candidate.parse(a), Candidate.parse(b), grids, betas, repeats, token_range=token_range,
                    give_up_after=give_up_after, progress=progress,
                )  # fmt: skip
        except TokenRangeError as error:
            raise click.UsageError(f"--range: {error}") from None
    comparison = result.comparison
    if as_json:
        values = as_object(comparison, grids, repeats)
        values["by_grid"] = {grid: as_object(own, (grid,), repeats) for grid, own in result.by_grid.items()}
        echo_json(values)
    else:
        print_result(result)
        if token_range is not None and comparison.low > token_range[0]:
            click.echo(f"the range begins at {comparison.low:,.0f} tokens: below that, one of the two has no point")
    end_if_all_failed(result.evaluation.episodes, result.evaluation.given_up)
