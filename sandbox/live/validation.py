"""Compares replay with live inference: a controller on a grid, and live on its questions with the grid's model.

Both play the same questions with the same settings under the same rules. Replay takes its branches from the recorded
ones, in many orders; live branches are drawn anew. Further differences are effects that replay does not model.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from envdata.actions import Op
from envdata.collect.question_sources import load_questions
from envdata.collect.questions import DEFAULT_TEMPLATE
from envdata.episode_state import Floats
from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.intervals import Interval, Sample, bounded, difference, unbounded
from envdata.live.model import CHAT_TEMPLATE, LiveSettings, settings_of
from envdata.sample_size import discordance
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.live.live_records import LiveRecord, LiveRecords
from sandbox.live.solution import Solution, SolveError
from sandbox.live.solver import Solver
from sandbox.live.validation_progress import ValidationProgress
from sandbox.replay_player import EvaluationSettings, Player, Repeat

ACTIONS = (Op.BRANCH, Op.READ, Op.CONTINUE, Op.FINISH, Op.PROBE, Op.PRUNE)
FIGURES = ("accuracy", "tokens", "sequential tokens", "branches", *(action.name for action in ACTIONS))
"""Compared figures, each a mean per episode. Actions are counted by branch: a call on four branches counts four."""
EPISODES = pa.schema(
    [
        ("controller", pa.string()),
        ("beta", pa.float64()),
        ("question", pa.int64()),
        ("repeat", pa.int64()),
        ("status", pa.string()),
        ("correct", pa.bool_()),
        ("answer", pa.string()),
        ("tokens", pa.int64()),
        ("sequential_tokens", pa.int64()),
        ("branches", pa.int64()),
        ("generated", pa.int64()),
        ("probe_tokens", pa.int64()),
        ("wasted", pa.int64()),
        ("estimated", pa.int64()),
        ("prompt_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("requests", pa.int64()),
        ("judge_requests", pa.int64()),
        ("judge_prompt_tokens", pa.int64()),
        ("judge_cached_tokens", pa.int64()),
        ("judge_tokens", pa.int64()),
        ("seconds", pa.float64()),
        ("why", pa.string()),
    ]
)
"""Columns of the file of live episodes."""


@dataclass(frozen=True)
class FigureComparison:
    """One figure in replay and live, with confidence intervals over questions."""

    figure: str
    replay: Interval
    live: Interval
    difference: Interval
    """live − replay, paired by question."""


@dataclass(frozen=True)
class Validation:
    """Comparison of one controller at one β in replay and live."""

    controller: str
    beta: float
    questions: int
    repeats: int
    """Number of branch orders in replay."""
    live_repeats: int
    """Number of live episodes per question."""
    discordance: float
    """Mean square of the questions' differences in accuracy, from which `envdata.sample_size` computes numbers of
    questions."""
    rows: list[FigureComparison]
    failures: dict[str, int]
    """Number of failed live episodes, by what failed; they count as wrong with the tokens spent."""
    generated: float
    """Mean tokens decoded in a live episode, probes and waste included."""
    wasted: float
    """Mean tokens wasted in a live episode."""
    seconds: float
    """Mean wall-clock time of a live episode, while others ran."""
    episodes: pa.Table
    """The live episodes, one row each."""


def live_settings_of(grid: Grid, source: str | None = None, template: str | None = None) -> list[LiveSettings]:
    """Return, for each question of a grid, how it was put to the model.

    A grid records its prompts by family of questions, but not each question's family: with several families, the
    questions are read again from their source.

    Args:
        grid: The grid.
        source: Source of the questions; the one of the grid's provenance if None.
        template: Prompt template of the source; the usual one if None.

    Raises:
        ValueError: The provenance or the source does not determine a question's prompt.
        QuestionError: The source cannot be read.
    """
    settings = settings_of(grid.provenance)
    prompts = grid.provenance.get("prompts")
    shapes = {shape for shape in prompts.values() if isinstance(shape, str)} if isinstance(prompts, dict) else set()
    if len(shapes) == 1 and source is None:
        return [LiveSettings(settings, next(iter(shapes)))] * len(grid.questions)
    spec = source or str(grid.provenance.get("questions", ""))
    usual = CHAT_TEMPLATE if settings.chat is not None else DEFAULT_TEMPLATE
    # A grid holds each question once, even if its source repeats it.
    found = {question.text: question.prompt for question in load_questions(spec, template or usual, dedupe=True)}
    listed = []
    for text in grid.questions:
        shape = found.get(text, "").replace(text, "{question}")
        if not shape or (shapes and shape not in shapes):
            raise ValueError(f"{spec} does not put the question {text[:60]!r} as the grid did; give --questions again")
        listed.append(LiveSettings(settings, shape))
    return listed


def differences(grid: Grid, solver: Solver, model: str) -> list[str]:
    """Return the known differences between the live model and the grid's; empty is no proof that they are the same."""
    facts, provenance = solver.facts, grid.provenance
    engine = provenance.get("engine")
    recorded = engine if isinstance(engine, dict) else {}
    notes = []
    if provenance.get("model") != model:
        notes.append(f"the grid is of the model {provenance.get('model')!r}, this one is called {model!r}")
    if facts is not None and (facts.name, facts.version) != (recorded.get("name"), recorded.get("version")):
        was = f"{recorded.get('name')} {recorded.get('version')}"
        notes.append(f"the grid was collected with {was}, this is {facts.name} {facts.version}")
    return notes


def play_replay(
    candidate: Candidate, grid: Grid, beta: float, terms: Terms, chosen: Sequence[int], *, sandbox: str, repeats: int
) -> Floats:
    """Play a candidate in replay; return figures of shape (figures, chosen questions), means over repeats.

    Args:
        candidate: The controller.
        grid: The grid.
        beta: β in [0, 1].
        terms: Costs and budget of an episode.
        chosen: Indexes of the questions.
        sandbox: Name of an isolation backend, or `auto`.
        repeats: Number of branch orders.
    """
    player = Player(make_backend(sandbox), candidate, grid, EvaluationSettings(terms=terms))
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
    """Return the seed of one live episode.

    Each controller gets other draws: a lucky draw that all controllers shared would look like agreement among them.
    """
    key = f"{seed} {candidate.content_hash} {beta!r} {question} {repeat}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class LivePlan:
    """The live episodes of a validation, those of all controllers and β."""

    grid: Grid
    asked: Sequence[LiveSettings]
    """How each question of the grid is put (`live_settings_of`)."""
    chosen: Sequence[int]
    """Indexes of the questions that are played."""
    repeats: int
    """Episodes per question."""
    at_once: int
    """Largest number of concurrent episodes."""
    seed: int
    """Seed from which each episode's is derived."""
    model: str
    """The model's name at the server."""
    terms: Terms
    seconds: float | None
    """Wall-clock time per question."""
    judge: str | None = None
    """Name of the judge with the fields of its requests, if there is one."""
    protocol: str = "auto"
    """How the server is used (`sandbox.live.api.ServerProtocol`)."""

    def key(self, candidate: Candidate, beta: float, question: int, repeat: int) -> dict[str, Any]:
        """Return everything that decides an episode, as far as it is known beforehand."""
        return {
            "candidate": candidate.content_hash, "beta": beta, "grid": self.grid.content_hash, "question": question,
            "asked": repr(self.asked[question]), "repeat": repeat, "seed": self.seed, "model": self.model,
            "terms": repr(self.terms), "seconds": self.seconds, "judge": self.judge,
            "protocol": self.protocol,
        }  # fmt: skip


async def play_live(
    solver: Solver,
    candidate: Candidate,
    beta: float,
    plan: LivePlan,
    progress: ValidationProgress,
    records: LiveRecords | None = None,
) -> list[LiveRecord]:
    """Play the plan's questions live with a controller at β; return the results, repeat after repeat.

    Failed episodes are included, except those that failed because of the model. Episodes that had been recorded are
    not played again, and each one is recorded before it is returned.

    Args:
        solver: A started solver with `on_failure="raise"`.
        candidate: The controller.
        beta: β in [0, 1].
        plan: The episodes.
        progress: Is told as episodes go on and end.
        records: Where ended episodes are recorded; None records none.

    Raises:
        SolveError: The model failed.
        CollectError: The question could not be sent to the model, or an episode could not be recorded.
    """
    places = asyncio.Semaphore(plan.at_once)

    async def one(question: int, repeat: int) -> LiveRecord:
        key = plan.key(candidate, beta, question, repeat)
        if records is not None and (known := records.read(key)) is not None:
            progress.skip()
            return known
        async with places:
            number, watch = progress.start()
            try:
                solution = await solver.solve(
                    plan.grid.questions[question],
                    candidate,
                    beta,
                    seed=own_seed(plan.seed, candidate, beta, question, repeat),
                    live_settings=plan.asked[question],
                    watch=watch,
                )
            except SolveError as error:
                if error.solution.failed_by == "model":
                    # A failing server is not the controller's fault.
                    raise
                solution = error.solution
            record = LiveRecord.of(question, repeat, solution, _is_correct(plan.grid, solver, question, solution))
            # A failure of the sandbox may be this machine's, and such an episode is played again.
            if records is not None and record.failed_by != "sandbox":
                records.write(key, record)
            progress.end(number, record.cost.generated)
        return record

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(question, repeat)) for repeat in range(plan.repeats) for question in plan.chosen]
    return [task.result() for task in tasks]


def compare_figures(
    candidate: Candidate, beta: float, replay: Floats, live: Sequence[LiveRecord], *, repeats: int
) -> Validation:
    """Compare the figures of replay with those of the live episodes.

    Args:
        candidate: The controller.
        beta: β in [0, 1].
        replay: (figures, questions), as `play_replay` returns them.
        live: The live episodes of the same questions in the same order, repeat after repeat.
        repeats: Number of branch orders in replay.
    """
    questions = replay.shape[1]
    live_repeats = len(live) // questions
    each = np.array([_figures(record) for record in live])
    mean: Floats = each.reshape(live_repeats, questions, len(FIGURES)).mean(axis=0).T
    failures: dict[str, int] = {}
    for record in live:
        if record.failed_by is not None:
            failures[record.failed_by] = failures.get(record.failed_by, 0) + 1
    return Validation(
        controller=candidate.label,
        beta=beta,
        questions=questions,
        repeats=repeats,
        live_repeats=live_repeats,
        discordance=discordance(mean[0] - replay[0]),
        rows=[_row(figure, a, b) for figure, a, b in zip(FIGURES, replay, mean, strict=True)],
        failures=failures,
        generated=float(np.mean([record.cost.generated for record in live])),
        wasted=float(np.mean([record.cost.wasted for record in live])),
        seconds=float(np.mean([record.cost.seconds for record in live])),
        episodes=_table(candidate, beta, live),
    )


def _row(figure: str, replay: Floats, live: Floats) -> FigureComparison:
    both = [Sample((values,)) for values in (replay, live, live - replay)]
    if figure == "accuracy":
        return FigureComparison(figure, bounded(both[0]), bounded(both[1]), difference(both[2]))
    return FigureComparison(figure, *map(unbounded, both))


def _is_correct(grid: Grid, solver: Solver, question: int, solution: Solution) -> bool:
    if solution.answer is None or solution.failed_by is not None:
        return False
    gold = grid.gold_answers[question]
    return solver.model.speller.spell(gold, [solution.answer])[solution.answer] == gold


def _figures(record: LiveRecord) -> list[float]:
    cost = record.cost
    counts = [float(record.actions.get(op.name, 0)) for op in ACTIONS]
    return [float(record.correct), float(cost.tokens), float(cost.sequential_tokens), float(record.branches), *counts]


def _table(candidate: Candidate, beta: float, live: Sequence[LiveRecord]) -> pa.Table:
    """Return the live episodes as a table: each column is the field of that name of a record, or of its cost."""
    names = EPISODES.names[2:]
    rows = [
        {
            "controller": candidate.label,
            "beta": beta,
            **{name: getattr(record if hasattr(record, name) else record.cost, name) for name in names},
        }
        for record in live
    ]
    return pa.Table.from_pylist(rows, schema=EPISODES)
