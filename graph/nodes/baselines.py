"""Round 0: the shipped controllers over the search set. They fix the range of the objective."""

from graph.context import Context
from graph.curves import Curve
from graph.folder import write_json
from graph.journal import Journal
from graph.nodes.state import State
from graph.objective import Objective, Yardstick, token_range
from graph.settings import RunError
from sandbox.candidate import SHIPPED, Candidate
from sandbox.evaluate import Plan
from sandbox.results import write_table


def evaluate_baselines(context: Context, state: State) -> State:
    """Play all seven over the same β and repeats as finalists."""
    settings, folder = context.settings, context.folder.round(0)
    Journal(folder.transcript).record("baselines")
    plans = [
        Plan(Candidate.parse(name), settings.grids, settings.betas, settings.repeats, settings.traced)
        for name in SHIPPED
    ]
    with context.teller.episodes("baselines") as progress:
        evaluation = context.evaluator.evaluate(plans, progress)
    write_table(evaluation.episodes, folder.evaluation)
    write_table(evaluation.traces, folder.traces)
    curves = {name: Curve.from_episodes(evaluation.episodes, name, settings.grids) for name in SHIPPED}
    low, high = _range(curves, context.objective)
    yardstick = Yardstick(context.objective, low, high, context.questions)
    scores = {name: yardstick.score(curve) for name, curve in curves.items() if not curve.failures}
    entries = [
        {"label": name, "score": scores.get(name), "failures": dict(curve.failures), "why": curve.why}
        for name, curve in curves.items()
    ]
    write_json(folder.metrics, {"round": 0, "low": low, "high": high, "baselines": entries})
    best = max(scores, key=scores.__getitem__, default=None)
    if best is not None:
        context.teller.say(f"baselines: the best is {best} with {100 * scores[best]:.2f}")
    return {"round": 1}


def _range(curves: dict[str, Curve], objective: Objective) -> tuple[float, float]:
    sound = {name: curve for name, curve in curves.items() if not curve.failures}
    if not sound:
        why = curves["sc"].why
        raise RunError(f"all baselines failed, so that there is nothing to compare with; the first one said: {why}")
    low, high = token_range(sound) if objective.kind == "area" else _spent(sound)
    return low, high


def _spent(curves: dict[str, Curve]) -> tuple[float, float]:
    """What the baselines spend, for coverage and pictures; other objectives than `area` take any range."""
    return (
        float(min(curve.tokens.min() for curve in curves.values())),
        float(max(curve.tokens.max() for curve in curves.values())),
    )
