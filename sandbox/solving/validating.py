"""Replay against reality: a controller on a grid, and live on the same questions with the model the grid is of.

Both play the same questions with the same settings under the same rules. Replay draws its branches from the recorded
ones, in many orders; live ones are drawn anew. What differs beyond that is what replay cannot know.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from envdata.actions import Op
from envdata.collect.questions import DEFAULT_TEMPLATE, load_questions
from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.ledger import Floats
from envdata.live.model import CHAT_TEMPLATE, Asking, settings_of
from envdata.scoring import Interval, over_questions
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.playing import Player, Repeat, Settings
from sandbox.solving.solution import Solution, SolveError
from sandbox.solving.solver import Solver
from sandbox.status import Status

ACTIONS = (Op.BRANCH, Op.READ, Op.CONTINUE, Op.FINISH, Op.PROBE, Op.PRUNE)
FIGURES = ("accuracy", "tokens", "sequential tokens", "branches", *(action.name for action in ACTIONS))
"""What is compared, a mean an episode each. Actions are counted by branch: a call of four branches is four."""

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Row:
    """One figure of both worlds."""

    figure: str
    replay: Interval
    live: Interval
    difference: Interval
    """live − replay; the interval comes from resampling the questions of both together."""


@dataclass(frozen=True)
class Validation:
    """A controller at one β in both worlds."""

    controller: str
    beta: float
    questions: int
    repeats: int
    """Branch orders in replay."""
    live_repeats: int
    rows: list[Row]
    failures: dict[str, int]
    """Live episodes that failed, by what failed; they count as wrong, with the tokens they spent."""
    generated: float
    """Tokens that the model decoded a live episode, probes and waste included."""
    wasted: float
    seconds: float
    """Of a live episode, by the clock, beside the others that ran then."""
    episodes: pa.Table
    """The live episodes."""


def askings(grid: Grid, source: str | None = None, template: str | None = None) -> list[Asking]:
    """How each question of a grid is put; raises ValueError, QuestionError where its provenance does not say.

    A grid keeps its prompts by family of questions, and not which question is of which: with several of them, the
    questions are read again from their source.
    """
    settings = settings_of(grid.provenance)
    shapes = set(dict(grid.provenance.get("prompts") or {}).values())
    if len(shapes) == 1 and source is None:
        return [Asking(settings, next(iter(shapes)))] * len(grid.questions)
    spec = source or str(grid.provenance.get("questions", ""))
    usual = CHAT_TEMPLATE if settings.chat is not None else DEFAULT_TEMPLATE
    found = {question.text: question.prompt for question in load_questions(spec, template or usual)}
    listed = []
    for text in grid.questions:
        shape = found.get(text, "").replace(text, "{question}")
        if not shape or (shapes and shape not in shapes):
            raise ValueError(f"{spec} does not put the question {text[:60]!r} as the grid did; give --questions again")
        listed.append(Asking(settings, shape))
    return listed


def differences(grid: Grid, solver: Solver, model: str) -> list[str]:
    """In what the live model is known not to be the grid's; empty is no proof that it is the same."""
    facts, told = solver.facts, grid.provenance
    recorded = dict(told.get("engine") or {})
    notes = []
    if told.get("model") != model:
        notes.append(f"the grid is of the model {told.get('model')!r}, this one is called {model!r}")
    if facts is not None and (facts.name, facts.version) != (recorded.get("name"), recorded.get("version")):
        was = f"{recorded.get('name')} {recorded.get('version')}"
        notes.append(f"the grid was collected with {was}, this is {facts.name} {facts.version}")
    return notes


def replayed(
    candidate: Candidate, grid: Grid, beta: float, terms: Terms, chosen: Sequence[int], *, sandbox: str, repeats: int
) -> Floats:
    """Figures of the chosen questions in replay, meaned over repeats: shape (figures, questions)."""
    player = Player(make_backend(sandbox), candidate, grid, Settings(terms=terms))
    total = np.zeros((len(FIGURES), len(grid.questions)))
    for played in player.play([Repeat(beta, number, traced=True) for number in range(repeats)]):
        result, trace = played.result, played.trace
        assert trace is not None  # noqa: S101 - all are traced
        actions = trace.column("action").to_pylist()
        question = trace.column("question").to_numpy()
        counts = [
            np.bincount(question[np.array([name == op.name for name in actions], bool)], minlength=len(grid.questions))
            for op in ACTIONS
        ]
        total += np.stack(
            [result.correct, result.tokens, result.sequential_tokens, result.branches, *counts]
        )  # fmt: skip
    mean: Floats = total[:, list(chosen)] / repeats
    return mean


def own_seed(seed: int, candidate: Candidate, beta: float, question: int, repeat: int) -> int:
    """The seed of one live episode.

    Controllers are not played on the same draws: one lucky or unlucky draw would be found in the figures of all of
    them, where it looks like agreement.
    """
    told = f"{seed} {candidate.content_hash} {beta!r} {question} {repeat}"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:4], "big") >> 1


async def lived(
    solver: Solver,
    candidate: Candidate,
    grid: Grid,
    asked: Sequence[Asking],
    beta: float,
    chosen: Sequence[int],
    *,
    repeats: int,
    at_once: int,
    seed: int,
    report: Report | None = None,
) -> list[tuple[int, int, Solution]]:
    """Play the chosen questions live; (question, repeat, solution) in order. Failed episodes are among them."""
    places = asyncio.Semaphore(at_once)
    done = 0

    async def one(question: int, repeat: int) -> tuple[int, int, Solution]:
        nonlocal done
        async with places:
            try:
                solution = await solver.solve(
                    grid.questions[question],
                    candidate,
                    beta,
                    seed=own_seed(seed, candidate, beta, question, repeat),
                    asking=asked[question],
                )
            except SolveError as error:
                if error.solution.failed_by == "model":
                    # A broken server says nothing about a controller.
                    raise
                solution = error.solution
        done += 1
        if report is not None:
            report(done, len(chosen) * repeats)
        return question, repeat, solution

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(question, repeat)) for repeat in range(repeats) for question in chosen]
    return [task.result() for task in tasks]


def validated(
    candidate: Candidate,
    beta: float,
    grid: Grid,
    replay: Floats,
    live: Sequence[tuple[int, int, Solution]],
    solver: Solver,
    *,
    repeats: int,
) -> Validation:
    """Put both side by side; `live` has the questions of `replay`, in its order, repeat after repeat."""
    questions = replay.shape[1]
    live_repeats = len(live) // questions
    right = [_right(grid, solver, question, solution) for question, _, solution in live]
    each = np.array([_figures(correct, solution) for correct, (_, _, solution) in zip(right, live, strict=True)])
    mean: Floats = each.reshape(live_repeats, questions, len(FIGURES)).mean(axis=0).T
    failures: dict[str, int] = {}
    for _, _, solution in live:
        if solution.failed_by is not None:
            failures[solution.failed_by] = failures.get(solution.failed_by, 0) + 1
    rows = [
        Row(figure, over_questions(a), over_questions(b), over_questions(b - a))
        for figure, a, b in zip(FIGURES, replay, mean, strict=True)
    ]
    costs = [solution.cost for _, _, solution in live]
    return Validation(
        controller=candidate.label,
        beta=beta,
        questions=questions,
        repeats=repeats,
        live_repeats=live_repeats,
        rows=rows,
        failures=failures,
        generated=float(np.mean([cost.generated for cost in costs])),
        wasted=float(np.mean([cost.wasted for cost in costs])),
        seconds=float(np.mean([cost.seconds for cost in costs])),
        episodes=_table(candidate, beta, live, right),
    )


def _right(grid: Grid, solver: Solver, question: int, solution: Solution) -> bool:
    if solution.answer is None or solution.failed_by is not None:
        return False
    gold = grid.gold_answers[question]
    return solver.model.speller.spell(gold, [solution.answer])[solution.answer] == gold


def _figures(correct: bool, solution: Solution) -> list[float]:
    actions = solution.trace.column("action").to_pylist()
    cost = solution.cost
    counts = [float(actions.count(op.name)) for op in ACTIONS]
    return [float(correct), float(cost.tokens), float(cost.sequential_tokens), float(len(solution.branches)), *counts]


def _table(
    candidate: Candidate, beta: float, live: Sequence[tuple[int, int, Solution]], right: Sequence[bool]
) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "controller": candidate.label,
            "beta": beta,
            "question": question,
            "repeat": repeat,
            "status": Status(solution.status).label,
            "correct": correct,
            "answer": solution.answer,
            "tokens": solution.cost.tokens,
            "sequential_tokens": solution.cost.sequential_tokens,
            "branches": len(solution.branches),
            "generated": solution.cost.generated,
            "wasted": solution.cost.wasted,
            "prompt_tokens": solution.cost.prompt_tokens,
            "cached_tokens": solution.cost.cached_tokens,
            "seconds": solution.cost.seconds,
            "why": solution.why,
        }
        for (question, repeat, solution), correct in zip(live, right, strict=True)
    ]
    return pa.Table.from_pylist(rows)
