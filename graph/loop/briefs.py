"""The brief an explorer gets before a round, the evidence it gets after it, and what ablations remove from both.

| switch | hidden from the explorer |
|---|---|
| `no_history` | all candidates but the best one of the previous round, and all lessons but that round's |
| `no_critic` | measurements, mechanism families and diagnoses; no model is asked for a critique |
| `no_traces` | failure digests: why episodes failed and how they ended, in briefs and in evidence |
| `no_beta` | β: knobs are constants, a candidate is one point |
| `no_consolidation` | the page of what is known: briefs carry all earlier rounds |
| `no_feedback` | all earlier rounds: every brief equals the first one except for its seed; there are no roles |

The run's folder and the report always hold everything.
"""

import ast
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from envdata.grid import Grid
from graph.critic.markdown import write_failures, write_measures
from graph.critic.measurement import Measures
from graph.critic.measurements import FAILURES
from graph.explorers.base import Brief, CandidateRecord, Critique, Evidence, Knowledge, Lesson, Reference, Sweep
from graph.loop.context import Context, best_of
from graph.loop.roles import assign
from graph.run.candidates import read_frontier
from graph.run.explorer_shares import read_shares
from graph.run.knowledge import read_knowledge
from graph.run.paths import read_json, write_json
from graph.run.settings import RunSettings
from graph.run.transcript import BRIEF, Transcript
from sandbox.candidate import Candidate
from sandbox.sanitize import quoted


def make_brief(context: Context, number: int) -> Brief:
    """Return the brief for round `number`; all earlier rounds must be complete."""
    settings, scorer = context.settings, context.scorer
    grids = [Grid.load(path) for path in settings.grids]
    blind = settings.no_feedback
    brief = Brief(
        round=number,
        rounds=_rounds(context, number),
        wanted=settings.candidates,
        seed=_round_seed(settings.seed, number) if blind else settings.seed,
        betas=settings.betas,
        objective=settings.objective,
        low=scorer.low,
        high=scorer.high,
        latency=scorer.latency,
        baselines=context.baseline_scores,
        references=_references(context),
        facts=context.grid_facts,
        frontier=read_frontier(context.folder.frontier) if number > 1 and not (blind or settings.no_history) else (),
        history=() if blind else _history(context, number),
        lessons=() if blind else lessons_of(context, number),
        terms=settings.evaluation().terms.on(grids),
        intervals=tuple(grid.interval for grid in grids),
        signals=sorted(set.intersection(*(set(grid.arrays.signal_names) for grid in grids))),
        probes=all(grid.probed for grid in grids),
        free_knobs=settings.no_beta,
        feedback=not blind,
        knowledge=_knowledge(context, number),
        shares=read_shares(context.folder, settings.explorers, number) if len(settings.explorers) > 1 else (),
    )
    return replace(brief, roles=assign(context, brief))


def make_evidence(
    context: Context, number: int, measured: Sequence[Measures], candidates: Sequence[CandidateRecord]
) -> Evidence:
    """Return the evidence for the critique of round `number`.

    Args:
        context: The run.
        number: Round, from 1.
        measured: Measurements of the round's finalists.
        candidates: All candidates of the round.
    """
    settings, scorer = context.settings, context.scorer
    measures = {each.label: each.plain() for each in measured}
    if settings.no_traces:
        measures = {label: {**values, FAILURES: []} for label, values in measures.items()}
    sound = {each.label: each.values["score"].value for each in measured if not each.values["contract"].failures}
    return Evidence(
        round=number,
        best=best_of(sound),
        measured=write_measures(measured),
        measures=measures,
        candidates=candidates,
        failures="" if settings.no_traces else write_failures(measured),
        baselines=context.baseline_scores,
        objective=settings.objective,
        low=scorer.low,
        high=scorer.high,
        latency=scorer.latency,
        facts=context.grid_facts,
        lessons=() if settings.no_feedback else lessons_of(context, number),
        free_knobs=settings.no_beta,
        knowledge=_knowledge(context, number),
    )


def write_lesson(path: Path, number: int, critique: Critique, measured: Sequence[Measures]) -> None:
    """Write the complete lesson of round `number` as JSON: its critique, measurements and failure digests."""
    lesson = Lesson(number, critique.diagnosis, critique.directions, write_measures(measured), write_failures(measured))
    write_json(path, asdict(lesson))


def _references(context: Context) -> Sequence[Reference]:
    """Return the baselines without failures, the best first."""
    scores = context.baseline_scores
    references = []
    for name in sorted(scores, key=lambda name: -scores[name]):
        idea, source = _first_line_alone(Candidate.parse(name).source)
        references.append(Reference(name, idea, source, Sweep.of(context.baselines[name])))
    return references


def _first_line_alone(source: str) -> tuple[str, str]:
    """Return the first line of a baseline's docstring, and its source with that line for the whole docstring.

    The rest may tell figures on benchmarks that are held out. Baselines are controllers that the user installed, not
    candidates: their source may be parsed here.
    """
    tree = ast.parse(source)
    idea = quoted((ast.get_docstring(tree) or "").partition("\n")[0])
    if not idea:
        return "", source
    return idea, "\n".join([f'"""{idea}"""', *source.split("\n")[tree.body[0].end_lineno :]])


def keeps_page(settings: RunSettings) -> bool:
    """Whether a run has a page of what is known: not if its explorers may not see earlier rounds."""
    return not (settings.no_consolidation or settings.no_feedback or settings.no_history)


def _knowledge(context: Context, number: int) -> Knowledge | None:
    """Return the page as of the round before `number`; None if the run keeps none."""
    if not keeps_page(context.settings):
        return None
    return (read_knowledge(context.folder.round(number - 1).knowledge) if number > 1 else None) or Knowledge()


def _history(context: Context, number: int) -> Sequence[CandidateRecord]:
    history = context.history(number)
    if context.settings.no_critic:
        history = [replace(record, family="") for record in history]
    if not context.settings.no_history:
        return history
    scored = [record for record in history if record.round == number - 1 and record.score is not None]
    return tuple(sorted(scored, key=lambda record: -(record.score or 0.0))[:1])


def lessons_of(context: Context, number: int) -> Sequence[Lesson]:
    """Return the lessons of the rounds before round `number`, without the parts that an ablation hides."""
    settings = context.settings
    first = number - 1 if settings.no_history else 1
    lessons = []
    for earlier in range(max(1, first), number):
        stored: Mapping[str, Any] = read_json(context.folder.round(earlier).lesson)
        lesson = Lesson(
            earlier,
            diagnosis="" if settings.no_critic else stored["diagnosis"],
            directions=() if settings.no_critic else tuple(stored["directions"]),
            measured="" if settings.no_critic else stored["measured"],
            failures="" if settings.no_traces else stored["failures"],
        )
        lessons.append(lesson)
    return lessons


def _rounds(context: Context, number: int) -> int:
    """Return the number of rounds to tell in the brief of round `number`.

    A round that was begun before the number was changed is told the earlier one: its prompts stay the same, so that
    replies to them that were paid for are found.
    """
    events = Transcript(context.folder.round(number).transcript).events()
    told = (event["rounds"] for event in events if event["event"] == BRIEF and "rounds" in event)
    return next(told, context.settings.rounds)


def _round_seed(seed: int, number: int) -> int:
    """Return the seed of one independent round."""
    return int.from_bytes(hashlib.sha256(f"independent round\n{seed}\n{number}".encode()).digest()[:4], "big")
