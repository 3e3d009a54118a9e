"""Executor node: screens all candidates with few repeats, then races the best ones through the full evaluation."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graph.loop.context import Context, State
from graph.loop.racing import race, stages
from graph.run.candidates import source_of
from graph.run.paths import RoundFolder, read_json, write_json
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from sandbox.candidate import Candidate
from sandbox.evaluate import Plan, ignores_beta
from sandbox.results import write_table
from sandbox.status import Status


def execute(context: Context, state: State) -> State:
    """Evaluate the round's candidates on the search set, and write their episodes and traces."""
    number, settings = state["round"], context.settings
    folder = context.folder.round(number)
    transcript = Transcript(folder.transcript)
    labels = [entry["label"] for entry in read_json(folder.proposals) if entry["status"] == Status.OK.label]
    traces: list[pa.Table] = []

    def play(running: Sequence[str], first: int, last: int) -> pa.Table:
        plans = [_plan(context, folder, label, first, last) for label in running]
        name = "screening" if first == 0 else f"{len(running)} of {len(labels)}, repeats {first + 1} to {last}"
        with context.observer.progress(f"round {number}: {name}") as progress:
            evaluation = context.evaluator.evaluate(plans, progress)
        for given_up in evaluation.given_up:
            context.observer.say(str(given_up))
        traces.append(evaluation.traces)
        if first == 0:
            write_table(evaluation.episodes, folder.screening)
        return evaluation.episodes

    plan = stages(settings.screening_repeats, settings.repeats, racing=settings.race)
    places = settings.finalists if settings.race else len(labels)
    outcome = race(labels, plan, play, context.scorer, settings.grids, places=places, dropping=settings.race)
    failures = {label: dict(curve.failures) for label, curve in outcome.failed.items()}
    transcript.record("screening", scores=outcome.scores, failures=failures)
    # Candidates that failed after the screening are written too: their failure is part of the round's record.
    stored = [*outcome.finalists, *(label for label in outcome.failed if label in outcome.scores)]
    write_table(_rows_of(stored, outcome.episodes), folder.evaluation)
    write_table(_rows_of(outcome.finalists, pa.concat_tables(traces)), folder.traces)
    report = outcome.report(settings.repeats)
    write_json(folder.race, report)
    transcript.record("evaluation", finalists=outcome.finalists, race=report)
    return {"finalists": outcome.finalists}


def _rows_of(labels: Sequence[str], table: pa.Table) -> pa.Table:
    """Return the rows of some candidates, in the order of `labels`."""
    name = table.column("controller").cast(pa.string())
    parts = [table.filter(pc.equal(name, label)) for label in labels]
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks() if parts else table.slice(0, 0)


def _plan(context: Context, folder: RoundFolder, label: str, first: int, last: int) -> Plan:
    settings = context.settings
    candidate = Candidate(label, source_of(folder, label))
    return Plan(
        candidate,
        settings.grids,
        betas_of(settings, read_json(folder.proposals), label),
        last,
        settings.traced,
        first=first,
    )


def betas_of(settings: RunSettings, entries: Sequence[dict[str, Any]], label: str) -> tuple[float, ...] | None:
    """Return the β at which a candidate of a round is evaluated; None for one point, if its schedule ignores β.

    Args:
        settings: Settings of the run.
        entries: Content of the round's `proposals.json`.
        label: The candidate.
    """
    (schedules,) = [entry["schedules"] for entry in entries if entry["label"] == label]
    return None if ignores_beta(schedules) else settings.betas
