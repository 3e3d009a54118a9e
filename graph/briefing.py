"""What an explorer is told: the brief before a round, the evidence after it, and what the ablations leave out of both.

| switch | the explorer does not see |
|---|---|
| `no_history` | anything but the best candidate of the round before, and what was made of that round |
| `no_critic` | measurements and diagnoses; scores, sweeps and the traces' evidence stay, nobody is asked to reason |
| `no_traces` | why episodes failed and how they ended, in briefs and in the evidence that is reasoned about |
| `no_beta` | β: knobs are constants, a candidate is one point |
| `no_feedback` | anything of earlier rounds: every brief is the first one, but for its seed |

The archive and the report keep everything, whatever the explorer was told.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envdata.grid import Grid
from graph.context import Context, best_of
from graph.critic.frontier import read_frontier
from graph.critic.measures import Measures
from graph.critic.writing import write_failures, write_measures
from graph.explorers.base import Brief, Critique, Evidence, Lesson, Tried
from graph.folder import read_json, write_json


def make_brief(context: Context, number: int) -> Brief:
    """What the explorer is told before round `number`; the rounds before must be complete."""
    settings, yardstick = context.settings, context.yardstick
    grids = [Grid.load(path) for path in settings.grids]
    blind = settings.no_feedback
    return Brief(
        round=number,
        rounds=settings.rounds,
        wanted=settings.candidates,
        seed=_own_seed(settings.seed, number) if blind else settings.seed,
        betas=settings.betas,
        objective=settings.objective,
        low=yardstick.low,
        high=yardstick.high,
        baselines=context.baseline_scores,
        frontier=read_frontier(context.folder.frontier) if number > 1 and not (blind or settings.no_history) else (),
        history=() if blind else _history(context, number),
        lessons=() if blind else _lessons(context, number),
        terms=settings.evaluation().terms,
        intervals=tuple(grid.interval for grid in grids),
        confidences=all(grid.arrays.confidences is not None for grid in grids),
        free_knobs=settings.no_beta,
        feedback=not blind,
    )


def make_evidence(context: Context, number: int, measured: Sequence[Measures], tried: Sequence[Tried]) -> Evidence:
    """What there is to be reasoned about after round `number`."""
    settings, yardstick = context.settings, context.yardstick
    measures = {each.label: asdict(each) for each in measured}
    if settings.no_traces:
        measures = {label: {**said, "digests": []} for label, said in measures.items()}
    sound = {each.label: each.score.value for each in measured if not each.contract.failures}
    return Evidence(
        round=number,
        best=best_of(sound),
        measured=write_measures(measured),
        measures=measures,
        tried=tried,
        failures="" if settings.no_traces else write_failures(measured),
        baselines=context.baseline_scores,
        objective=settings.objective,
        low=yardstick.low,
        high=yardstick.high,
        lessons=() if settings.no_feedback else _lessons(context, number),
        free_knobs=settings.no_beta,
    )


def keep_lesson(path: Path, number: int, said: Critique, measured: Sequence[Measures]) -> None:
    """Write what was made of a round, in full."""
    lesson = Lesson(number, said.diagnosis, said.directions, write_measures(measured), write_failures(measured))
    write_json(path, asdict(lesson))


def _history(context: Context, number: int) -> Sequence[Tried]:
    history = context.history(number)
    if not context.settings.no_history:
        return history
    scored = [tried for tried in history if tried.round == number - 1 and tried.score is not None]
    return tuple(sorted(scored, key=lambda tried: -(tried.score or 0.0))[:1])


def _lessons(context: Context, number: int) -> Sequence[Lesson]:
    """What was made of the rounds before round `number`, less what an ablation withholds."""
    settings = context.settings
    first = number - 1 if settings.no_history else 1
    lessons = []
    for earlier in range(max(1, first), number):
        said: Mapping[str, Any] = read_json(context.folder.round(earlier).lesson)
        lesson = Lesson(
            earlier,
            diagnosis="" if settings.no_critic else said["diagnosis"],
            directions=() if settings.no_critic else tuple(said["directions"]),
            measured="" if settings.no_critic else said["measured"],
            failures="" if settings.no_traces else said["failures"],
        )
        lessons.append(lesson)
    return lessons


def _own_seed(seed: int, number: int) -> int:
    """A seed for one independent round."""
    return int.from_bytes(hashlib.sha256(f"independent round\n{seed}\n{number}".encode()).digest()[:4], "big")
