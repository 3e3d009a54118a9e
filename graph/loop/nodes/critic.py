"""Critic node: measures the round's finalists, and asks the explorer for a critique of the measurements."""

from collections.abc import Mapping, Sequence

from envdata.atomic import write_text
from envdata.grid import Grid
from graph.analysis.curves import Curve
from graph.analysis.frontier import Sweep
from graph.analysis.traces.gold import ReferenceAnswers
from graph.critic.duplicates import behaviours, find_duplicate
from graph.critic.families import families
from graph.critic.markdown import write_failures, write_measures
from graph.critic.measurement import MeasurementContext, Measures
from graph.critic.measurements import measure
from graph.explorers.base import CandidateRecord, Critique, Evidence
from graph.explorers.prompts import ReplyError
from graph.loop.briefs import make_evidence, write_lesson
from graph.loop.context import Context, State
from graph.loop.copies import earlier_behaviours
from graph.run.candidates import curves_of, source_of
from graph.run.files import read_table
from graph.run.paths import read_json, write_json
from graph.run.transcript import Transcript
from sandbox.candidate import Candidate
from sandbox.status import Status


def criticise(context: Context, state: State) -> State:
    """Write the round's measurements, its critique, and the lesson that later briefs contain."""
    number, finalists = state["round"], state["finalists"]
    folder = context.folder.round(number)
    transcript = Transcript(folder.transcript)
    curves = curves_of(folder, finalists, context.settings.grids)
    candidates = candidate_records(context, number, curves)
    measured = _measure(context, number, curves, {each.label: each.same_as for each in candidates})
    critique = _ask_critique(context, make_evidence(context, number, measured, candidates), transcript)
    transcript.record("critique", diagnosis=critique.diagnosis, directions=critique.directions)
    write_json(folder.measures, {each.label: each.plain() for each in measured})
    write_lesson(folder.lesson, number, critique, measured)
    write_text(folder.critique, _critique_text(number, critique, candidates, measured))
    return {}


def _ask_critique(context: Context, evidence: Evidence, transcript: Transcript) -> Critique:
    """Return the explorer's critique; an empty one if an ablation forbids it or the reply cannot be read."""
    if context.settings.no_critic or context.settings.no_feedback:
        return Critique("")
    try:
        return context.explorer.critique(evidence, transcript)
    except ReplyError as error:
        transcript.record("critique left out", why=str(error))
        context.observer.say(f"round {evidence.round}: the critique cannot be read; the measurements stand alone")
        return Critique("")


def _critique_text(
    number: int, critique: Critique, candidates: Sequence[CandidateRecord], measured: Sequence[Measures]
) -> str:
    """Return `critique.md`."""
    failed = [f"- {each.label}: {each.status}: {each.why}" for each in candidates if each.status != Status.OK.label]
    same = [f"- {each.label} acts exactly as {each.same_as} does." for each in candidates if each.same_as]
    parts = {
        "What it means": critique.diagnosis,
        "Where to go": "\n".join(f"- {each}" for each in critique.directions),
        "Candidates that failed": "\n".join(failed),
        "Duplicates": "\n".join(same),
        "What was measured": write_measures(measured),
        "Why episodes failed": write_failures(measured),
    }
    sections = [f"## {heading}\n\n{text.rstrip()}" for heading, text in parts.items() if text]
    return "\n\n".join([f"# Round {number}", *sections]) + "\n"


def candidate_records(context: Context, number: int, curves: Mapping[str, Curve]) -> list[CandidateRecord]:
    """Return the records of a round's candidates after its evaluation, in the order of proposal.

    Args:
        context: The run.
        number: Round, from 1.
        curves: Curves of the round's finalists, by label.

    A candidate's status is the first failure of its episodes, if there is one.
    """
    folder, grids = context.folder.round(number), context.settings.grids
    proposals = read_json(folder.proposals)
    loaded = [proposal["label"] for proposal in proposals if proposal["status"] == Status.OK.label]
    table = read_table(folder.screening)
    screened = {label: Curve.from_episodes(table, label, grids) for label in loaded}
    known = earlier_behaviours(context, number)
    own = behaviours(table)
    unfailing = [label for label, curve in screened.items() if not curve.failures]
    family = families(table, {label: source_of(folder, label) for label in unfailing})
    records = []
    for proposal in proposals:
        label = proposal["label"]
        status, why, screening, duplicate = proposal["status"], proposal["why"], None, None
        if label in screened:
            curve = screened[label]
            if not curve.failures:
                screening = context.scorer.score(curve)
            for each in (curve, curves.get(label, curve)):
                if each.failures:
                    status, why = next(iter(each.failures)), each.why
            duplicate = find_duplicate(own[label], known)
            known[label] = own[label]
        full = curves.get(label)
        sound = full is not None and not full.failures
        sweep = Sweep.of(full) if full is not None and sound else Sweep()
        records.append(
            CandidateRecord(
                label,
                number,
                source_of(folder, label),
                proposal["notes"],
                status,
                why,
                screening,
                score=context.scorer.score(full) if full is not None and sound else None,
                idea=proposal["idea"],
                points=sweep.points,
                same_as=duplicate,
                by_grid=sweep.by_grid,
                screened=Sweep.of(screened[label]).points if screening is not None and full is None else (),
                role=(proposal.get("assignment") or {}).get("role", ""),
                family=family.get(label, ""),
            )
        )
    return records


def _measure(
    context: Context, number: int, curves: Mapping[str, Curve], duplicates: Mapping[str, str | None]
) -> list[Measures]:
    if not curves:
        return []
    folder, settings, scorer = context.folder.round(number), context.settings, context.scorer
    traces = read_table(folder.traces)
    grids = {path: Grid.load(path) for path in settings.grids}
    answers = {
        path: ReferenceAnswers.of(
            grid, order=settings.order, seed=settings.seed, repeat=0, ceiling=settings.max_branches
        )
        for path, grid in grids.items()
    }
    schedules = {proposal["label"]: proposal["schedules"] for proposal in read_json(folder.proposals)}
    best = context.baselines[max(context.baseline_scores, key=context.baseline_scores.__getitem__)]
    before = context.admissible(number)
    evaluator, betas = context.evaluator, sorted(settings.traced)
    return [
        measure(
            MeasurementContext(
                candidate=Candidate(label, source_of(folder, label)),
                curve=curve,
                schedules=schedules[label],
                scorer=scorer,
                best_baseline=best,
                before=before,
                betas=betas,
                traces=traces,
                grids=grids,
                recorded=answers,
                evaluator=evaluator,
                settings=evaluator.settings,
                same_as=duplicates[label],
            )
        )
        for label, curve in curves.items()
    ]
