"""Parts of the prompt on mechanism families and on the roles of the candidates asked for."""

from collections.abc import Iterator

from graph.critic.families import BALLOTS, FAMILIES, best_of_each, possible
from graph.explorers.base import Brief, CandidateRecord
from graph.explorers.prompts.templates import fill

SHOWN = 3
"""Number of best candidates whose sources are shown, besides those of `shown_candidates`."""
FAMILIES_SHOWN = 6
"""Number of families whose best candidate's source is shown, at most."""


def families_table(brief: Brief) -> str:
    """Return the best candidate of each family as a table; empty if no family is known."""
    best = best_of_each(brief.history)
    if not best:
        return ""
    known = {name.rpartition(", ")[2] for name in (*possible(brief.signals), *best)}
    ballots = [votes for votes in BALLOTS if votes in known]
    rows = {
        spending: [best.get(f"{spending}, {votes}") for votes in ballots]
        for spending in dict.fromkeys(name.rpartition(", ")[0] for name in FAMILIES)
    }
    total = len(rows) * len(ballots)
    return fill("families.md", votes=ballots, rows=rows, untried=total - len(best), total=total)


def assignment_text(brief: Brief) -> str:
    """Return the text on the roles of the candidates asked for; empty without roles."""
    return fill("roles.md", roles=brief.roles) if brief.roles else ""


def parents(brief: Brief) -> set[str]:
    """Return the labels of the candidates that an assignment names."""
    return {label for assignment in brief.roles for label in assignment.parents}


def shown_candidates(brief: Brief) -> Iterator[CandidateRecord]:
    """Yield the candidates whose sources are shown, the best first.

    They are the best three, the best of each family, the finalists of the last round, and those that an assignment
    names. Candidates without a full evaluation are shown as the best of their family only.
    """
    latest = max((tried.round for tried in brief.history), default=0)
    scored = sorted((each for each in brief.history if each.score is not None), key=lambda each: -(each.score or 0.0))
    wanted = {each.label for place, each in enumerate(scored) if place < SHOWN or each.round == latest}
    of_families = list(best_of_each(brief.history).values())[:FAMILIES_SHOWN]
    wanted |= {each.label for each in of_families} | parents(brief)
    yield from (each for each in scored if each.label in wanted)
    yield from (each for each in of_families if each.score is None)
    known = {each.label for each in (*scored, *of_families)}
    yield from (each for each in brief.history if each.label in wanted - known)
