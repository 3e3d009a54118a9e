"""Round 0: evaluation of the baselines (shipped controllers) on the search set, which fixes the objective's range.

Baselines do not depend on the run, so their repeats are kept in the user's evaluation cache.
"""

from graph.analysis.curves import Curve, questions_of
from graph.analysis.objective import REFERENCE, Objective, Scorer, reference_curve, token_range
from graph.loop.context import Context, State
from graph.run.files import RunError
from graph.run.paths import write_json
from graph.run.questions import write_questions
from graph.run.transcript import Transcript
from sandbox.candidate import Candidate
from sandbox.evaluate import Plan
from sandbox.evaluation_cache import baselines_cache
from sandbox.results import write_table


def evaluate_baselines(context: Context, state: State) -> State:
    """Evaluate the baselines over the β and repeats that finalists are evaluated over.

    Raises:
        RunError: Every baseline has failed episodes.
        ObjectiveError: The baselines span no range of tokens.
    """
    settings, folder = context.settings, context.folder.round(0)
    Transcript(folder.transcript).record("baselines")
    plans = [
        Plan(
            Candidate.parse(name), settings.grids, settings.betas, settings.repeats, settings.traced,
            cache=baselines_cache(),
        )
        for name in settings.baselines
    ]  # fmt: skip
    with context.observer.progress("baselines") as progress:
        evaluation = context.evaluator.evaluate(plans, progress)
    if evaluation.cached:
        context.observer.say(f"baselines: {evaluation.cached:,} episodes are in the cache of an earlier run")
    write_table(evaluation.episodes, folder.evaluation)
    write_table(evaluation.traces, folder.traces)
    curves = {name: Curve.from_episodes(evaluation.episodes, name, settings.grids) for name in settings.baselines}
    reference = reference_curve(context.objective, evaluation.episodes, settings.grids)
    charged = {name: curve.charged(settings.latency) for name, curve in curves.items()}
    start = None if reference is None else reference.charged(settings.latency)
    low, high = _range_of(charged, context.objective, start)
    scorer = Scorer(context.objective, low, high, context.questions, reference, settings.latency)
    scores = {name: scorer.score(curve) for name, curve in curves.items() if not curve.failures}
    entries = [
        {"label": name, "score": scores.get(name), "failures": dict(curve.failures), "why": curve.why}
        for name, curve in curves.items()
    ]
    write_questions(folder.questions, context.questions, questions_of(settings.heldout))
    write_json(folder.metrics, {"round": 0, "low": low, "high": high, "baselines": entries})
    best = max(scores, key=scores.__getitem__, default=None)
    if best is not None:
        context.observer.say(f"baselines: the best is {best} with {100 * scores[best]:.2f}")
    return {"round": 1}


def _range_of(curves: dict[str, Curve], objective: Objective, reference: Curve | None) -> tuple[float, float]:
    sound = {name: curve for name, curve in curves.items() if not curve.failures}
    if not sound:
        why = next(iter(curves.values())).why
        raise RunError(f"all baselines failed, so that there is nothing to compare with; the first one said: {why}")
    if reference is not None:
        return _spent({REFERENCE: reference})
    return token_range(sound) if objective.kind == "area" else _spent(sound)


def _spent(curves: dict[str, Curve]) -> tuple[float, float]:
    """Return the lowest and the highest tokens of the baselines, for coverage and plots; others need no range."""
    return (
        float(min(curve.tokens.min() for curve in curves.values())),
        float(max(curve.tokens.max() for curve in curves.values())),
    )
