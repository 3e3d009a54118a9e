"""The critic: measures the round's finalists, and asks the explorer what that means."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pyarrow.parquet as pq

from envdata.atomic import write_text
from envdata.grid import Grid
from graph.briefing import keep_lesson, make_evidence
from graph.context import Context, curves_of, source_of
from graph.critic.digest import digests
from graph.critic.invariance import invariance
from graph.critic.measures import Measures, measure
from graph.critic.recorded import Recorded
from graph.critic.writing import write_failures, write_measures
from graph.curves import Curve
from graph.duplicates import Behaviour, behaviours, same_as
from graph.explorers.base import Critique, Evidence, Point, Tried
from graph.folder import read_json, write_json
from graph.journal import Journal
from graph.nodes.state import State
from graph.prompts import ReplyError
from sandbox.candidate import Candidate
from sandbox.status import Status


def criticise(context: Context, state: State) -> State:
    """Write the round's measures, its critique and what later briefs are told of it."""
    number, finalists = state["round"], state["finalists"]
    folder = context.folder.round(number)
    journal = Journal(folder.transcript)
    curves = curves_of(folder, finalists, context.settings.grids)
    tried = round_so_far(context, number, curves)
    measured = _measure(context, number, curves, {each.label: each.same_as for each in tried})
    said = _ask(context, make_evidence(context, number, measured, tried), journal)
    journal.record("critique", diagnosis=said.diagnosis, directions=said.directions)
    write_json(folder.measures, {each.label: asdict(each) for each in measured})
    keep_lesson(folder.lesson, number, said, measured)
    write_text(folder.critique, _page(number, said, tried, measured))
    return {}


def _ask(context: Context, evidence: Evidence, journal: Journal) -> Critique:
    """What a model makes of it; nothing where nobody is to reason, or where no reply could be read."""
    if context.settings.no_critic or context.settings.no_feedback:
        return Critique("")
    try:
        return context.explorer.critique(evidence, journal)
    except ReplyError as error:
        journal.record("critique left out", why=str(error))
        context.teller.say(f"round {evidence.round}: the critique cannot be read; the measurements stand alone")
        return Critique("")


def _page(number: int, said: Critique, tried: Sequence[Tried], measured: Sequence[Measures]) -> str:
    failed = [f"- {each.label}: {each.status}: {each.why}" for each in tried if each.status != Status.OK.label]
    same = [f"- {each.label} acts exactly as {each.same_as} does." for each in tried if each.same_as]
    parts = {
        "What it means": said.diagnosis,
        "Where to go": "\n".join(f"- {each}" for each in said.directions),
        "Candidates that failed": "\n".join(failed),
        "Duplicates": "\n".join(same),
        "What was measured": write_measures(measured),
        "Why episodes failed": write_failures(measured),
    }
    sections = [f"## {heading}\n\n{text.rstrip()}" for heading, text in parts.items() if text]
    return "\n\n".join([f"# Round {number}", *sections]) + "\n"


def round_so_far(context: Context, number: int, curves: Mapping[str, Curve]) -> list[Tried]:
    """The round's candidates with what is known of them; `curves` are those of its finalists.

    A failure in an episode is a candidate's status too.
    """
    folder, grids = context.folder.round(number), context.settings.grids
    proposals = read_json(folder.proposals)
    loaded = [said["label"] for said in proposals if said["status"] == Status.OK.label]
    table = pq.read_table(folder.screening)
    screened = {label: Curve.from_episodes(table, label, grids) for label in loaded}
    known = _known_behaviours(context, number)
    acts = behaviours(table)
    tried = []
    for said in proposals:
        label = said["label"]
        status, why, screening, twin = said["status"], said["why"], None, None
        if label in screened:
            curve = screened[label]
            if not curve.failures:
                screening = context.yardstick.score(curve)
            for each in (curve, curves.get(label, curve)):
                if each.failures:
                    status, why = next(iter(each.failures)), each.why
            twin = same_as(acts[label], known)
            known[label] = acts[label]
        full = curves.get(label)
        sound = full is not None and not full.failures
        tried.append(
            Tried(
                label,
                number,
                source_of(folder, label),
                said["notes"],
                status,
                why,
                screening,
                score=context.yardstick.score(full) if full is not None and sound else None,
                idea=said["idea"],
                points=_points(full) if full is not None and sound else (),
                same_as=twin,
            )
        )
    return tried


def _known_behaviours(context: Context, number: int) -> dict[str, Behaviour]:
    """How the baselines and the candidates of earlier rounds acted."""
    known = behaviours(pq.read_table(context.folder.round(0).evaluation))
    for earlier in range(1, number):
        known |= behaviours(pq.read_table(context.folder.round(earlier).screening))
    return known


def _points(curve: Curve) -> list[Point]:
    accuracy, tokens = curve.accuracy.tolist(), curve.tokens.tolist()
    return [Point(curve.label, *each) for each in zip(curve.betas, accuracy, tokens, strict=True)]


def _measure(
    context: Context, number: int, curves: Mapping[str, Curve], twins: Mapping[str, str | None]
) -> list[Measures]:
    if not curves:
        return []
    folder, settings, yardstick = context.folder.round(number), context.settings, context.yardstick
    traces = pq.read_table(folder.traces)
    grids = {path: Grid.load(path) for path in settings.grids}
    recorded = {
        path: Recorded.of(grid, order=settings.order, seed=settings.seed, repeat=0, ceiling=settings.max_branches)
        for path, grid in grids.items()
    }
    schedules = {said["label"]: said["schedules"] for said in read_json(folder.proposals)}
    best = context.baselines[max(context.baseline_scores, key=context.baseline_scores.__getitem__)]
    before = context.admissible(number)
    evaluator, betas = context.evaluator, sorted(settings.traced)
    return [
        measure(
            curve,
            yardstick=yardstick,
            schedules=schedules[label],
            best_baseline=best,
            before=before,
            digests=digests(traces, label, recorded, settings.max_branches),
            betas=betas,
            invariance=None
            if curve.failures
            else invariance(
                evaluator.backend,
                Candidate(label, source_of(folder, label)),
                list(grids.values()),
                betas if curve.betas != (None,) else [1.0],
                evaluator.settings,
            ),
            same_as=twins[label],
        )
        for label, curve in curves.items()
    ]
