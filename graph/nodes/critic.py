"""The critic: measures the round's finalists, and asks the explorer what that means."""

from dataclasses import asdict

import pyarrow.parquet as pq

from envdata.atomic import write_text
from envdata.grid import Grid
from graph.context import Context, best_of, curves_of, source_of
from graph.critic.digest import digests
from graph.critic.measures import Measures, measure
from graph.critic.writing import write_measures
from graph.curves import Curve
from graph.explorers.base import Evidence, Tried
from graph.folder import read_json, write_json
from graph.journal import Journal
from graph.nodes.state import State
from sandbox.status import Status


def criticise(context: Context, state: State) -> State:
    """Write the round's measures and its critique."""
    number, finalists = state["round"], state["finalists"]
    folder = context.folder.round(number)
    journal = Journal(folder.transcript)
    curves = curves_of(folder, finalists, context.settings.grids)
    measured = _measure(context, number, curves)
    scores = {each.label: each.score.value for each in measured if not each.contract.failures}
    tried = round_so_far(context, number, scores)
    words = write_measures(measured)
    evidence = Evidence(
        round=number,
        best=best_of(scores),
        measured=words,
        measures={each.label: asdict(each) for each in measured},
        tried=tried,
    )
    said = context.explorer.critique(evidence, journal)
    journal.record("critique", diagnosis=said.diagnosis)
    write_json(folder.measures, evidence.measures)
    failed = [f"- {each.label}: {each.status}: {each.why}" for each in tried if each.status != Status.OK.label]
    sections = [
        f"# Round {number}",
        f"## What it means\n\n{said.diagnosis}" if said.diagnosis else "",
        "## Candidates that failed\n\n" + "\n".join(failed) if failed else "",
        f"## What was measured\n\n{words}" if words else "",
    ]
    write_text(folder.critique, "\n\n".join(section.rstrip() for section in sections if section) + "\n")
    return {}


def round_so_far(context: Context, number: int, scores: dict[str, float]) -> list[Tried]:
    """The round's candidates with what is known of them; a failure in an episode is a candidate's status too."""
    folder, grids = context.folder.round(number), context.settings.grids
    proposals = read_json(folder.proposals)
    loaded = [said["label"] for said in proposals if said["status"] == Status.OK.label]
    table = pq.read_table(folder.screening)
    screened = {label: Curve.from_episodes(table, label, grids) for label in loaded}
    full = curves_of(folder, [label for label in _labels(folder.evaluation) if label in loaded], grids)
    tried = []
    for said in proposals:
        label = said["label"]
        status, why, screening = said["status"], said["why"], None
        if label in screened:
            curve = screened[label]
            if not curve.failures:
                screening = context.yardstick.score(curve)
            for each in (curve, full.get(label, curve)):
                if each.failures:
                    status, why = next(iter(each.failures)), each.why
        source = source_of(folder, label)
        tried.append(Tried(label, number, source, said["notes"], status, why, screening, scores.get(label)))
    return tried


def _labels(path: object) -> list[str]:
    column = pq.read_table(path, columns=["controller"]).column("controller")
    return [str(label) for label in column.unique().to_pylist()]


def _measure(context: Context, number: int, curves: dict[str, Curve]) -> list[Measures]:
    if not curves:
        return []
    folder, settings, yardstick = context.folder.round(number), context.settings, context.yardstick
    traces = pq.read_table(folder.traces)
    gold = {path: Grid.load(path).gold_answers for path in settings.grids}
    schedules = {said["label"]: said["schedules"] for said in read_json(folder.proposals)}
    sound = {name: yardstick.score(curve) for name, curve in context.baselines.items() if not curve.failures}
    best = context.baselines[max(sound, key=sound.__getitem__)]
    before = context.admissible(number)
    return [
        measure(
            curve,
            yardstick=yardstick,
            schedules=schedules[label],
            best_baseline=best,
            before=before,
            digests=digests(traces, label, gold, settings.max_branches),
        )
        for label, curve in curves.items()
    ]
