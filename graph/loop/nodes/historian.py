"""Historian node: consolidates what was learnt, and writes the round's record and the frontier after it."""

from collections.abc import Sequence

from envdata.atomic import write_text
from envdata.intervals import number_text
from graph.analysis.frontier import Point, frontier
from graph.explorers.prompts import digest_text
from graph.loop.briefs import make_brief
from graph.loop.consolidation import update_knowledge
from graph.loop.context import Context, State, best_of
from graph.loop.nodes.critic import candidate_records
from graph.run.candidates import curves_of, source_of
from graph.run.paths import read_json, write_json
from graph.run.transcript import Transcript
from sandbox.results import write_table


def archive(context: Context, state: State) -> State:
    """Write the round's record `metrics.json`, which marks it complete, what is known, the frontier and the digest."""
    number = state["round"]
    folder, settings = context.folder.round(number), context.settings
    measures = read_json(folder.measures)
    records = candidate_records(context, number, curves_of(folder, list(measures), settings.grids))
    scores = {each.label: each.score for each in records if each.score is not None}
    best = best_of(scores)
    if best is not None:
        write_text(folder.controller, source_of(folder, best))
    proposals = {proposal["label"]: proposal for proposal in read_json(folder.proposals)}
    lines = [f"# Round {number}", ""]
    for each in records:
        mark = " (the round's best)" if each.label == best else ""
        lines += [f"## {each.label}{mark}", "", proposals[each.label]["idea"], ""]
    write_text(folder.proposal, "\n".join(lines))
    candidates = [
        {
            "label": each.label,
            "status": each.status,
            "why": each.why,
            "screening": each.screening,
            "score": each.score,
            "interval": measures[each.label]["score"] if each.label in measures else None,
            "over_baseline": measures[each.label]["over_baseline"] if each.label in measures else None,
            "gain": measures[each.label]["gain"] if each.label in measures else None,
            "doc": proposals[each.label]["doc"],
            "idea": proposals[each.label]["idea"],
            "notes": dict(each.notes),
            "points": _values(each.points),
            "same_as": each.same_as,
            "by_grid": [_values(points) for points in each.by_grid],
            "screened": _values(each.screened),
            "role": each.role,
            "family": each.family,
        }
        for each in records
    ]
    metrics = {"round": number, "best": best, "candidates": candidates}
    update_knowledge(context, number, metrics, records)
    write_json(folder.metrics, metrics)
    curves = context.admissible(number + 1)
    rounds = {each.label: each.round for each in context.history(number + 1)}
    write_table(
        frontier(curves, [rounds.get(curve.label, 0) for curve in curves], context.questions, settings.latency),
        context.folder.frontier,
    )
    write_text(context.folder.digest, digest_text(make_brief(context, number + 1)))
    Transcript(folder.transcript).record("archived", best=best)
    if best is None:
        context.observer.say(f"round {number} of {settings.rounds}: no candidate was sound")
    else:
        difference = measures[best]["over_baseline"]
        context.observer.say(
            f"round {number} of {settings.rounds}: {best} scores {100 * scores[best]:.2f}, "
            f"{number_text(100 * difference['value'], '+.2f')} against the best baseline"
        )
    return {"round": number + 1}


def _values(points: Sequence[Point]) -> list[list[float | None]]:
    return [[point.beta, point.accuracy, point.tokens] for point in points]
