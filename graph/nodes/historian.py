"""The historian: archives the round and brings the frontier up to date."""

from envdata.atomic import write_text
from graph.briefing import make_brief
from graph.context import Context, best_of, curves_of, source_of
from graph.critic.frontier import frontier
from graph.folder import read_json, write_json
from graph.journal import Journal
from graph.nodes.critic import round_so_far
from graph.nodes.state import State
from graph.prompts import told
from sandbox.results import write_table


def archive(context: Context, state: State) -> State:
    """Write the round's record; the round counts as complete from then on."""
    number = state["round"]
    folder, settings = context.folder.round(number), context.settings
    measures = read_json(folder.measures)
    tried = round_so_far(context, number, curves_of(folder, list(measures), settings.grids))
    scores = {each.label: each.score for each in tried if each.score is not None}
    best = best_of(scores)
    if best is not None:
        write_text(folder.controller, source_of(folder, best))
    ideas = {said["label"]: said for said in read_json(folder.proposals)}
    lines = [f"# Round {number}", ""]
    for each in tried:
        mark = " (the round's best)" if each.label == best else ""
        lines += [f"## {each.label}{mark}", "", ideas[each.label]["idea"], ""]
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
            "doc": ideas[each.label]["doc"],
            "idea": ideas[each.label]["idea"],
            "notes": dict(each.notes),
            "points": [[point.beta, point.accuracy, point.tokens] for point in each.points],
            "same_as": each.same_as,
        }
        for each in tried
    ]
    write_json(folder.metrics, {"round": number, "best": best, "candidates": candidates})
    curves = context.admissible(number + 1)
    rounds = {each.label: each.round for each in context.history(number + 1)}
    write_table(
        frontier(curves, [rounds.get(curve.label, 0) for curve in curves], context.questions), context.folder.frontier
    )
    write_text(context.folder.digest, told(make_brief(context, number + 1)))
    Journal(folder.transcript).record("archived", best=best)
    if best is None:
        context.teller.say(f"round {number} of {settings.rounds}: no candidate was sound")
    else:
        against = measures[best]["over_baseline"]
        context.teller.say(
            f"round {number} of {settings.rounds}: {best} scores {100 * scores[best]:.2f}, "
            f"{100 * against['value']:+.2f} against the best baseline"
        )
    return {"round": number + 1}
