"""Evaluation, comparison and explanation of controllers on replay grids, for Python and for the commands.

No model is called. Controllers run in a sandbox; figures depend neither on `jobs` nor on the load of the machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from envdata.grid import Grid, GridError
from graph.analysis import comparison, explanation
from graph.analysis.comparison import Comparison
from graph.analysis.comparison_result import ComparisonResult
from graph.analysis.curves import Questions, questions_of
from graph.analysis.evaluation_result import EvaluationResult
from graph.analysis.explanation import Explanation
from graph.analysis.grid_mean import mean_rows
from graph.analysis.headline import against_self_consistency
from graph.analysis.replay_bill import replay_bill
from graph.analysis.token_prices import TokenPrices, parse_prices
from sandbox.candidate import Candidate, CandidateError, in_own_name
from sandbox.class_source import candidate_of
from sandbox.evaluate import Evaluator, Plan, Progress
from sandbox.evaluation_cache import EvaluationCache, baselines_cache
from sandbox.host import CandidateFailed
from sandbox.replay_player import EvaluationSettings
from sandbox.summary import summarise
from sandbox.trial import GIVE_UP_AFTER
from sandbox.tts import Controller

BETAS = tuple(round(tenth / 10, 1) for tenth in range(11))
"""Default sweep: 0, 0.1, … 1."""
REPEATS = 100
"""Default number of branch orders."""

AnyController = str | Path | Candidate | type[Controller]
AnyGrid = str | Path | Grid


def evaluate(
    controllers: AnyController | Iterable[AnyController],
    grids: AnyGrid | Iterable[AnyGrid],
    *,
    betas: Iterable[float] = BETAS,
    repeats: int = REPEATS,
    settings: EvaluationSettings | None = None,
    traces: bool = False,
    prices: str | TokenPrices | None = None,
    give_up_after: int = GIVE_UP_AFTER,
    sandbox: str = "auto",
    jobs: int = 1,
    executor: str = "local",
    progress: Progress | None = None,
) -> EvaluationResult:
    """Evaluate controllers on replay grids, as `autotts evaluate` does, and return their accuracies and costs.

    Args:
        controllers: One or more of: a shipped controller's name or a file, with settings behind a colon if wanted
            (`"asc:max_branches=64"`); a `Candidate`; a subclass of `Controller`, whose source is taken to the sandbox
            with the plain constants, functions and imports that it uses (`sandbox.class_source`).
        grids: One or more of: a path, a name as `autotts grid list` shows them, a loaded `Grid`.
        betas: Values of β in 0 … 1. A controller whose schedule ignores β is played once.
        repeats: Branch orders; each is one episode a question, grid and β.
        settings: Terms, limits, seed, order and secret. The default draws a new secret, which only controllers with
            random numbers of their own notice.
        traces: Whether repeat 0 is traced, for `EvaluationResult.traces`.
        prices: Prices of the model's tokens (`graph.analysis.token_prices`), for costs in dollars.
        give_up_after: Episodes of a trial; if all fail on a grid, the controller's others there count as failed.
        sandbox: `auto` for the strongest backend that works here, or its name.
        jobs: Processes that play. With more than one, a script needs the guard `if __name__ == "__main__":`.
        executor: `local`, or `ray` to play the episodes on the nodes of a Ray cluster; the figures are the same.
        progress: Called with the episodes played so far, and those there are in all.

    Raises:
        CandidateError: An argument is no controller, or two controllers have the same name.
        CandidateFailed: The settings of a controller do not fit it.
        ValueError: A β is outside 0 … 1, or `repeats` outside 1 … 100,000.
        GridError: A grid cannot be read.
        SandboxUnavailable: The sandbox backend does not work here.
        InfrastructureError: The sandbox keeps failing for reasons other than the controller.
        ClusterError: No Ray cluster can be used.
    """
    candidates = [candidate_of(each) for each in _listed(controllers)]
    labels = [each.label for each in candidates]
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated is not None:
        raise CandidateError(
            f"two controllers are called {repeated!r}, and results could not tell them apart; rename one"
        )
    paths = grid_paths(grids)
    with Evaluator(settings or EvaluationSettings(), sandbox=sandbox, jobs=jobs, executor=executor) as evaluator:
        return evaluate_candidates(
            evaluator, candidates, paths, checked_betas(betas), repeats, traced=traces, give_up_after=give_up_after,
            prices=parse_prices(prices) if isinstance(prices, str) else prices, progress=progress,
        )  # fmt: skip


def compare(
    a: AnyController,
    b: AnyController,
    grids: AnyGrid | Iterable[AnyGrid],
    *,
    betas: Iterable[float] = BETAS,
    repeats: int = REPEATS,
    token_range: tuple[float, float] | None = None,
    settings: EvaluationSettings | None = None,
    give_up_after: int = GIVE_UP_AFTER,
    sandbox: str = "auto",
    jobs: int = 1,
    executor: str = "local",
    progress: Progress | None = None,
) -> ComparisonResult:
    """Compare two controllers on the same episodes, as `autotts compare` does.

    Differences are A − B, paired over questions, with 95 % intervals. `token_range` is the range of tokens of the areas
    under the curves, by default from where both controllers have a point to the most expensive point. All other
    arguments and errors are those of `evaluate`.

    Raises:
        TokenRangeError: The range does not rise, or ends before both controllers have a point.
    """
    with Evaluator(settings or EvaluationSettings(), sandbox=sandbox, jobs=jobs, executor=executor) as evaluator:
        return compare_candidates(
            evaluator, candidate_of(a), candidate_of(b), grid_paths(grids), checked_betas(betas), repeats,
            token_range=token_range, give_up_after=give_up_after, progress=progress,
        )  # fmt: skip


def explain(
    controller: AnyController,
    grids: AnyGrid | Iterable[AnyGrid],
    *,
    betas: Iterable[float] = BETAS,
    repeats: int = REPEATS,
    reference: float | None = None,
    settings: EvaluationSettings | None = None,
    sandbox: str = "auto",
    jobs: int = 1,
    executor: str = "local",
    progress: Progress | None = None,
) -> Explanation:
    """Explain what a controller's knobs do, what it spends where and how its episodes end, as `autotts explain` does.

    Knobs are moved one at a time at β = `reference`, by default the middle of `betas`. All other arguments and errors
    are those of `evaluate`.

    Raises:
        CandidateFailed: The controller does not load.
    """
    swept = checked_betas(betas)
    middle = swept[len(swept) // 2] if reference is None else checked_betas([reference])[0]
    with Evaluator(settings or EvaluationSettings(), sandbox=sandbox, jobs=jobs, executor=executor) as evaluator:
        return explanation.explain(
            evaluator, candidate_of(controller), grid_paths(grids), swept, repeats, reference=middle, progress=progress
        )


def evaluate_candidates(
    evaluator: Evaluator,
    candidates: Sequence[Candidate],
    grids: Sequence[str],
    betas: Sequence[float],
    repeats: int,
    *,
    traced: bool = False,
    give_up_after: int = GIVE_UP_AFTER,
    cache: EvaluationCache | None = None,
    prices: TokenPrices | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Evaluate candidates with an open evaluator, as `evaluate` does; repeats in `cache` are not played again."""
    traced_betas = frozenset(betas) if traced else frozenset[float]()
    plans = [
        _plan(evaluator, each, grids, betas, repeats, traced=traced_betas, give_up_after=give_up_after, cache=cache)
        for each in candidates
    ]
    evaluation = evaluator.evaluate(plans, progress)
    rows = list(summarise(evaluation.episodes))
    questions = questions_of(grids)
    rows += mean_rows(rows, evaluation.episodes, questions)
    return EvaluationResult(
        rows, evaluation.episodes, evaluation.traces, evaluator.backend.name, evaluator.settings.show_answers,
        evaluation.given_up, evaluation.cached,
        against_self_consistency(evaluation.episodes, [each.label for each in candidates], questions),
        None if prices is None else replay_bill(rows, prices),
    )  # fmt: skip


def compare_candidates(
    evaluator: Evaluator,
    a: Candidate,
    b: Candidate,
    grids: Sequence[str],
    betas: Sequence[float],
    repeats: int,
    *,
    token_range: tuple[float, float] | None = None,
    give_up_after: int = GIVE_UP_AFTER,
    progress: Progress | None = None,
) -> ComparisonResult:
    """Compare candidates with an open evaluator, as `compare` does; episodes of shipped ones go to the user's cache.

    Raises:
        CandidateError: Both have the same name.
        TokenRangeError: The range does not rise, or ends before both controllers have a point.
    """
    if a.label == b.label:
        raise CandidateError(f"A and B are both {a.label!r}; give two controllers, or one with two settings")
    questions = questions_of(grids)
    plans = [
        _plan(
            evaluator, each, grids, betas, repeats, give_up_after=give_up_after,
            cache=baselines_cache() if each.shipped else None,
        )
        for each in (a, b)
    ]  # fmt: skip
    evaluation = evaluator.evaluate(plans, progress)
    overall = comparison.compare(evaluation.episodes, a.label, b.label, questions, token_range)
    by_grid = _compare_by_grid(evaluation.episodes, a.label, b.label, questions, overall)
    return ComparisonResult(overall, by_grid, grids, repeats, evaluator.settings.order, evaluation)


def grid_paths(grids: AnyGrid | Iterable[AnyGrid]) -> tuple[str, ...]:
    """Return the paths or names of grids, without repetitions.

    Raises:
        GridError: There is no grid, or the file of a loaded grid has changed since.
    """
    paths = []
    for each in _listed(grids):
        if isinstance(each, Grid):
            # The processes that evaluate load it by its name.
            if Grid.load(each.name).content_hash != each.content_hash:
                raise GridError(f"{each.name}: the file has changed since this grid was loaded; load it again")
            each = each.name
        paths.append(str(each))
    if not paths:
        raise GridError("there is no grid to play on; give the path of one, or a name as bundled")
    return tuple(dict.fromkeys(paths))


def checked_betas(betas: Iterable[float]) -> tuple[float, ...]:
    """Return the distinct values of β in ascending order. Raises ValueError for none, or for one outside 0 … 1."""
    distinct = tuple(sorted({float(beta) for beta in betas}))
    outside = [beta for beta in distinct if not 0 <= beta <= 1]
    if outside:
        raise ValueError(f"β = {outside[0]:g} is outside 0 … 1")
    if not distinct:
        raise ValueError("there is no value of β; give some as in (0, 0.5, 1)")
    return distinct


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, str | Path | Candidate | Grid | type) else list(given)


def _plan(
    evaluator: Evaluator,
    candidate: Candidate,
    grids: Sequence[str],
    betas: Sequence[float],
    repeats: int,
    *,
    traced: frozenset[float] = frozenset(),
    give_up_after: int,
    cache: EvaluationCache | None,
) -> Plan:
    """Return the plan of a candidate: one point if its schedule ignores β, else a point for each of `betas`."""
    # Three further β: with a single value, every schedule would seem to ignore β.
    asked = sorted({*betas, 0.0, 0.5, 1.0})
    more: dict[str, Any] = {"traced": traced, "give_up_after": give_up_after, "cache": cache}
    try:
        ignores = evaluator.describe(candidate, asked).ignores_beta
    except CandidateFailed as failed:
        if candidate.settings:
            # Most likely the user's settings are wrong.
            message = f"{candidate.label}: {in_own_name(failed.why, candidate.label)}"
            raise CandidateFailed(failed.status, message) from None
        return Plan(candidate, tuple(grids), tuple(betas), repeats, failed=(failed.status, failed.why), **more)
    return Plan(candidate, tuple(grids), None if ignores else tuple(betas), repeats, **more)


def _compare_by_grid(
    episodes: pa.Table, a: str, b: str, questions: Questions, overall: Comparison
) -> Mapping[str, Comparison]:
    """Return the comparison on each grid, over the range of the overall one; empty with one grid."""
    if len(questions.grids) < 2:
        return {}
    token_range = (overall.low, overall.high) if overall.area is not None else None
    by_grid = {}
    for grid, ids in zip(questions.grids, questions.ids, strict=True):
        try:
            by_grid[grid] = comparison.compare(episodes, a, b, Questions((grid,), (ids,)), token_range)
        except comparison.TokenRangeError:
            # On this grid one controller costs more than the whole range, so it has no area there.
            by_grid[grid] = comparison.compare(episodes, a, b, Questions((grid,), (ids,)))
    return by_grid
