"""Plays one episode of a controller class in this process, without a sandbox, for development.

Rules, costs, branch orders and the recorded trace are those of an evaluation. The isolation is not: the controller can
read everything that this process can, gold answers included.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from envdata.actions import Op
from envdata.branch_orders import ORDERS
from envdata.episodes import Episodes
from envdata.grid import Grid
from envdata.tabular import TabularResult, layout_rows
from sandbox import frame_server
from sandbox.host import CandidateFailed
from sandbox.inside import wire
from sandbox.inside.controller_runner import NativeCandidate
from sandbox.inside.errors import BrokenCandidate
from sandbox.link import CallReply
from sandbox.replay_player import EvaluationSettings, Repeat, derived_seed
from sandbox.request_frames import RequestFrame
from sandbox.status import Status
from sandbox.tts import Controller

if TYPE_CHECKING:
    from rich.console import RenderableType

    from envdata.notebook_figure import NotebookFigure

PRINTED_ROWS = 60
"""Largest number of rows of a trace that are printed; `PlayedEpisode.table` has all."""


@dataclass(frozen=True)
class PlayedEpisode(TabularResult):
    """An episode that a controller played in this process, without a sandbox, and its trace."""

    controller: str
    """Name of the class."""
    knobs: Mapping[str, float]
    """The schedule at β, with the overridden knobs."""
    grid: str
    question: int
    """Index of the question in its grid, from 0."""
    question_text: str
    gold_answer: str
    beta: float
    repeat: int
    answer: str | None
    correct: bool
    tokens: int
    sequential_tokens: int
    branches: int
    """Number of branches opened."""
    signals: tuple[str, ...]
    """Names of the signals that the grid has."""
    trace: pa.Table
    """One row for each branch of each action, and for each note (`envdata.traces.SCHEMA`)."""

    @property
    def table(self) -> pa.Table:
        """The trace."""
        return self.trace

    def render(self, width: int) -> "Iterator[RenderableType]":
        """Yield a summary and the trace for a terminal of `width` characters; long traces lack rows in the middle."""
        from rich.text import Text

        outcome = "no answer" if self.answer is None else f"{self.answer!a} ({'right' if self.correct else 'wrong'})"
        yield Text(
            f"{self.controller} on {self.grid}, question {self.question}, β = {self.beta:g}, repeat {self.repeat}: "
            f"{outcome} for {self.tokens:,} tokens, {self.branches} branches; "
            f"signals: {', '.join(self.signals) or 'none'}"
        )
        heads = ("call", "action", "branch", "depth", "finished", "answer", "cost", "tokens", "note")
        rows = [_cells(row) for row in self.trace.select(heads).to_pylist()]
        if len(rows) > PRINTED_ROWS:
            half, left = PRINTED_ROWS // 2, len(rows) - PRINTED_ROWS
            rows = [*rows[:half], ["…", f"{left:,} more", *[""] * 7], *rows[-half:]]
        title = "played in this process, unconfined, not in a sandbox"
        yield from layout_rows(title, heads, rows, width, names=("action", "answer", "note"))

    def plot(self) -> "NotebookFigure":
        """Return a figure of each branch's depth in intervals over the episode's tokens; dots mark finished branches.

        The figure belongs to no window; a notebook shows it.
        """
        from envdata.notebook_figure import new_figure

        figure = new_figure(6.4, 4)
        axes = figure.subplots()
        steps: dict[int, list[tuple[int, int, bool]]] = {}
        for row in self.trace.to_pylist():
            if row["branch"] >= 0:
                steps.setdefault(row["branch"], []).append((row["tokens"], row["depth"], row["finished"]))
        for branch, own in sorted(steps.items()):
            tokens, depths, _ = zip(*own, strict=True)
            (line,) = axes.plot(tokens, depths, drawstyle="steps-post", linewidth=1, label=f"branch {branch}")
            ends = [(spent, depth) for spent, depth, finished in own if finished]
            axes.plot(*zip(*ends, strict=True) if ends else ([], []), "o", color=line.get_color(), markersize=4)
        axes.set_xlabel("tokens of the episode")
        axes.set_ylabel("depth, intervals")
        axes.set_title(f"{self.controller}, question {self.question}, β = {self.beta:g}", loc="left", fontsize=11)
        return figure


def play(
    controller: type[Controller],
    grid: Grid | Path | str,
    *,
    question: int = 0,
    beta: float = 0.5,
    repeat: int = 0,
    knobs: Mapping[str, float] | None = None,
    settings: EvaluationSettings | None = None,
) -> PlayedEpisode:
    """Play one episode in this process, UNCONFINED, and return its result and trace.

    For developing your own controller: breakpoints and `print` work, and its exceptions reach you. Run code that
    you have not read in a sandbox, with `autotts.evaluate`. Limits on time and memory do not hold here.

    Args:
        controller: The class.
        grid: A grid, its path or its name.
        question: Index of the question, from 0.
        beta: β in [0, 1].
        repeat: Number of the branch order, from 0.
        knobs: Knobs that override the schedule.
        settings: Settings of an evaluation. With equal settings, the secret included, the trace and the random numbers
            are those of the same episode in an evaluation.

    Raises:
        IndexError: The grid has no such question.
        GridError: The grid cannot be read.
        ValueError: The settings' `api` is not `native`.
        CandidateFailed: The class breaks the contract of a controller.
        Exception: Whatever the controller raises.
    """
    loaded = grid if isinstance(grid, Grid) else Grid.load(grid)
    settings = settings or EvaluationSettings()
    if settings.api != "native":
        raise ValueError(f"the settings' api is {settings.api!r}; classes are played with the api 'native' alone")
    if not 0 <= question < len(loaded.questions):
        raise IndexError(f"question {question} of {loaded.name}: it has questions 0 … {len(loaded.questions) - 1}")
    repeated = Repeat(beta, repeat)
    episodes = Episodes(loaded, settings.terms, 1)
    orders = [ORDERS[settings.order](int(count), settings.seed, repeat) for count in loaded.branches]
    episodes.begin(0, orders, traced=True)
    text = loaded.questions[question]
    shown = text if settings.show_questions else None
    job: dict[str, Any] = {
        "beta": beta,
        "settings": dict(knobs or {}),
        "interval": loaded.interval,
        "budget": settings.terms.budget,
        "renamed": settings.renamed,
        "signals": loaded.arrays.signal_names,
        "constraints": settings.constraints.job(),
        "episodes": {question: (derived_seed(settings, text, repeated), int(episodes.ceilings[question]), shown)},
    }
    link = _DirectLink(episodes, show_answers=settings.show_answers)
    module = _module_of(controller)
    try:
        candidate = NativeCandidate(module)
        schedule = candidate.schedule(beta, job["settings"])
        candidate.prepare(job)
        label = candidate.play(link, question, job)
    except BrokenCandidate as broken:
        raise CandidateFailed(broken.status, f"{controller.__name__}: {broken}") from broken
    except BaseException as error:
        spent = int(episodes.states.tokens[question])
        error.add_note(f"in {controller.__name__}, question {question} at β = {beta:g}, after {spent:,} tokens")
        raise
    link.end(question, label)
    result = episodes.result(0)
    return PlayedEpisode(
        controller=candidate.name,
        knobs=schedule,
        grid=loaded.name,
        question=question,
        question_text=text,
        gold_answer=loaded.gold_answers[question],
        beta=beta,
        repeat=repeat,
        answer=result.answer[question],
        correct=bool(result.correct[question]),
        tokens=int(result.tokens[question]),
        sequential_tokens=int(result.sequential_tokens[question]),
        branches=int(result.branches[question]),
        signals=loaded.arrays.signal_names,
        trace=episodes.traces.take(slice(0, episodes.questions)),
    )


class _DirectLink:
    """The link of an episode whose actions are served in this process (`sandbox.link.Link`), frame by frame."""

    def __init__(self, episodes: Episodes, *, show_answers: bool) -> None:
        self._episodes, self._show_answers = episodes, show_answers
        self._numbering = frame_server.Numbering(1, episodes.questions)
        self._posted = array("i")
        self._text: list[bytes] = []
        self._spelling: dict[tuple[int, int], str] = {}

    def call(self, episode: int, op: int, probe: int, count: int, branches: list[int]) -> CallReply:
        self._posted.extend((episode, op, probe, count))
        reply = wire.unpack_reply(self._served(array("i", branches))[0])
        self._spelling |= {(number, label): spelling for number, label, spelling in reply.texts}
        return reply.refusals[0], reply.tokens[0], reply.special[0], reply.rows

    def read_signal(self, episode: int, signal: int, wanted: list[int]) -> Iterator[float]:
        return self.call(episode, Op.SIGNAL, signal, len(wanted), wanted)[3].signals

    def post(self, episode: int, op: int, value: int, text: str) -> None:
        encoded = text.encode("utf-8", "replace")[: wire.MAX_TEXT]
        self._posted.extend((episode, op, value, len(encoded)))
        if op == Op.NOTE:
            self._text.append(encoded)

    def text(self, episode: int, label: int) -> str | None:
        return self._spelling.get((episode, label))

    def end(self, episode: int, label: int | None) -> None:
        """End the episode with an answer label, or None for no answer."""
        self._posted.extend((episode, Op.ANSWER, -1 if label is None else label, 0))
        self._served(array("i"))

    def _served(self, branches: "array[int]") -> dict[int, bytes]:
        frame = RequestFrame(0, wire.pack_calls(self._posted, branches, b"".join(self._text)))
        self._posted, self._text = array("i"), []
        replies, broken = frame_server.serve(
            self._episodes, [frame], show_answers=self._show_answers, numbering=self._numbering
        )
        if broken:
            raise CandidateFailed(Status.PROTOCOL_ERROR, broken[0].why)
        return replies


def _module_of(controller: type[Controller]) -> ModuleType:
    """Return a module with this class alone, for `NativeCandidate`. Raises TypeError if it is no controller class."""
    if not (isinstance(controller, type) and issubclass(controller, Controller)):
        raise TypeError(f"{controller!r} is no subclass of autotts.Controller; autotts.evaluate plays files and names")
    module = ModuleType(controller.__module__)
    setattr(module, controller.__name__, controller)
    return module


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        "" if value is None or (name == "branch" and value < 0)
        else f"{value:,}" if name in ("cost", "tokens")
        else ("yes" if value else "") if name == "finished"
        else ascii(value)[1:-1] if name == "answer"
        else str(value)
        for name, value in row.items()
    ]  # fmt: skip
