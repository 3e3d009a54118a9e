"""Roles of the candidates of a round, computed from what the brief shows, so that ablations hide the same from both."""

from collections.abc import Iterator, Sequence
from itertools import combinations, cycle

from graph.critic.families import best_of_each, merit, possible, untried
from graph.explorers.base import Brief, CandidateRecord
from graph.loop.context import Context
from graph.run.candidates import curves_of
from graph.run.roles import Assignment, divide, read_shares


def assign(context: Context, brief: Brief) -> tuple[Assignment, ...]:
    """Return the assignment of each of the brief's candidates; none with `--roles off` and with `--no-feedback`.

    A role that cannot apply gives its share to the others: before a candidate has a score there are only new families,
    and `worst` needs two grids. If none of the roles given can apply, the candidates have no role.

    Args:
        context: The run.
        brief: The brief without assignments.
    """
    settings = context.settings
    if settings.no_feedback:
        return ()
    scored = [record for record in brief.history if record.score is not None]
    best = max(scored, key=merit, default=None)
    pairs = _pairs(list(best_of_each(brief.history).values()))
    applicable = {
        "refine": best is not None,
        "combine": bool(pairs),
        "new": True,
        "cheaper": best is not None,
        "worst": best is not None and len(settings.grids) > 1,
    }
    shares = {role: share for role, share in read_shares(settings.roles).items() if applicable[role]}
    roles = divide(shares, brief.wanted)
    parent = () if best is None else (best.label,)
    families = _families(brief, roles.count("new"), hidden=settings.no_critic)
    couples = cycle(pairs)
    assignments = []
    for role in roles:
        match role:
            case "new":
                assignments.append(Assignment(role, family=next(families)))
            case "combine":
                assignments.append(Assignment(role, next(couples)))
            case "worst" if best is not None:
                grid, parents = _worst_grid(context, best, scored)
                assignments.append(Assignment(role, parents, grid=grid))
            case _:
                assignments.append(Assignment(role, parent))
    return tuple(assignments)


def _pairs(ranked: Sequence[CandidateRecord]) -> list[tuple[str, ...]]:
    """Return the pairs of candidates, given best first, those with the best ranks together first."""
    places = sorted(combinations(range(len(ranked)), 2), key=lambda pair: (sum(pair), pair))
    return [(ranked[one].label, ranked[other].label) for one, other in places]


def _families(brief: Brief, count: int, *, hidden: bool) -> Iterator[str]:
    """Yield families to try, those with most mechanisms first; later rounds begin where the round before ended.

    Empty texts if families are hidden.
    """
    open_families = [""] if hidden else untried(brief.history, brief.signals) or possible(brief.signals)
    start = (brief.round - 1) * count % len(open_families)
    return cycle([*open_families[start:], *open_families[:start]])


def _worst_grid(
    context: Context, best: CandidateRecord, scored: Sequence[CandidateRecord]
) -> tuple[int, tuple[str, ...]]:
    """Return the number of the grid where the best candidate gains least over the best baseline there, and parents.

    Parents are the best candidate, and the one with the best score on that grid if it is another.
    """
    grids = context.settings.grids
    curves = {
        record.label: curves_of(context.folder.round(record.round), [record.label], grids)[record.label]
        for record in scored
    }
    baselines = [curve for curve in context.baselines.values() if not curve.failures]

    def gain(place: int) -> float:
        scorer = context.scorer.on_grid(place)
        reached = [scorer.score(curve.on_grid(place)) for curve in baselines]
        return scorer.score(curves[best.label].on_grid(place)) - max(reached)

    worst = min(range(len(grids)), key=gain)
    scorer = context.scorer.on_grid(worst)
    there = max(scored, key=lambda record: scorer.score(curves[record.label].on_grid(worst)))
    return worst + 1, (best.label,) if there is best else (best.label, there.label)
