"""The executor: a cheap screening of all candidates, then a race of the best of them through the full evaluation."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graph.context import Context, source_of
from graph.folder import RoundFolder, read_json, write_json
from graph.journal import Journal
from graph.nodes.state import State
from graph.racing import race, stages
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
    traces: list[pa.Table] = []

    def play(running: Sequence[str], first: int, last: int) -> pa.Table:
        plans = [_plan(context, folder, label, first, last) for label in running]
        what = "screening" if first == 0 else f"{len(running)} of {len(labels)}, repeats {first + 1} to {last}"
        with context.teller.episodes(f"round {number}: {what}") as progress:
            played = context.evaluator.evaluate(plans, progress)
        traces.append(played.traces)
        if first == 0:
            write_table(played.episodes, folder.screening)
        return played.episodes

    plan = stages(settings.screening_repeats, settings.repeats, racing=settings.race)
    places = settings.finalists if settings.race else len(labels)
    outcome = race(labels, plan, play, context.yardstick, settings.grids, places=places, dropping=settings.race)
    failures = {label: dict(curve.failures) for label, curve in outcome.failed.items()}
    journal.record("screening", scores=outcome.scores, failures=failures)
    # One that failed on the way was a finalist, and its failure is part of what is known of the round.
    shown = [*outcome.finalists, *(label for label in outcome.failed if label in outcome.scores)]
    write_table(_of(shown, outcome.episodes), folder.evaluation)
    write_table(_of(outcome.finalists, pa.concat_tables(traces)), folder.traces)
    said = outcome.report(settings.repeats)
    write_json(folder.race, said)
    journal.record("evaluation", finalists=outcome.finalists, race=said)
    return {"finalists": outcome.finalists}


def _of(labels: Sequence[str], table: pa.Table) -> pa.Table:
    """The rows of some candidates, one after the other."""
    name = table.column("controller").cast(pa.string())
    parts = [table.filter(pc.equal(name, label)) for label in labels]
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks() if parts else table.slice(0, 0)


def _plan(context: Context, folder: RoundFolder, label: str, first: int, last: int) -> Plan:
    settings = context.settings
    candidate = Candidate(label, source_of(folder, label))
    betas = None if ignores_beta(read_json(folder.proposals), label) else settings.betas
    return Plan(candidate, settings.grids, betas, last, settings.traced, first=first)


def ignores_beta(entries: Sequence[dict[str, Any]], label: str) -> bool:
    """Whether all schedules of a candidate are the same, of more than one β."""
    (schedules,) = [entry["schedules"] for entry in entries if entry["label"] == label]
    return len(schedules) > 1 and all(schedule == schedules[0] for schedule in schedules)
