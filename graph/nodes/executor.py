"""The executor: a cheap screening of all candidates, then the full evaluation of the best of them."""

from collections.abc import Sequence
from typing import Any

from graph.context import Context, source_of
from graph.curves import Curve
from graph.folder import RoundFolder, read_json
from graph.journal import Journal
from graph.nodes.state import State
from sandbox.candidate import Candidate
from sandbox.evaluate import Plan
from sandbox.results import write_table
from sandbox.status import Status


def execute(context: Context, state: State) -> State:
    """Play the round's candidates over the search set."""
    number, settings = state["round"], context.settings
    folder = context.folder.round(number)
    journal = Journal(folder.transcript)
    labels = [entry["label"] for entry in read_json(folder.proposals) if entry["status"] == Status.OK.label]
    screening = [_plan(context, folder, label, settings.screening_repeats) for label in labels]
    with context.teller.episodes(f"round {number}: screening") as progress:
        played = context.evaluator.evaluate(screening, progress)
    write_table(played.episodes, folder.screening)
    curves = [Curve.from_episodes(played.episodes, label, settings.grids) for label in labels]
    scores = {curve.label: context.yardstick.score(curve) for curve in curves if not curve.failures}
    journal.record("screening", scores=scores, failures={c.label: dict(c.failures) for c in curves if c.failures})
    # Sorting keeps the order of equals, so that ties go to the earlier.
    finalists = sorted(scores, key=lambda label: -scores[label])[: settings.finalists]
    plans = [_plan(context, folder, label, settings.repeats, traced=True) for label in finalists]
    with context.teller.episodes(f"round {number}: the best {len(finalists)} in full") as progress:
        full = context.evaluator.evaluate(plans, progress)
    write_table(full.episodes, folder.evaluation)
    write_table(full.traces, folder.traces)
    journal.record("evaluation", finalists=finalists)
    return {"finalists": finalists}


def _plan(context: Context, folder: RoundFolder, label: str, repeats: int, *, traced: bool = False) -> Plan:
    settings = context.settings
    candidate = Candidate(label, source_of(folder, label))
    betas = None if ignores_beta(read_json(folder.proposals), label) else settings.betas
    return Plan(candidate, settings.grids, betas, repeats, settings.traced if traced else frozenset())


def ignores_beta(entries: Sequence[dict[str, Any]], label: str) -> bool:
    """Whether all schedules of a candidate are the same, of more than one β."""
    (schedules,) = [entry["schedules"] for entry in entries if entry["label"] == label]
    return len(schedules) > 1 and all(schedule == schedules[0] for schedule in schedules)
