"""Many replayed episodes at once: the rules, a grid, opaque labels, results and traces.

Episodes live in *groups*: a group plays every question of the grid once, under one branch order (a repeat). What a
controller may see comes out of `Episodes.play`; gold answers and unrevealed answers stay in here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from envdata import several, taken
from envdata.actions import Op, Refusal
from envdata.answers import UNPARSED
from envdata.grid import Grid
from envdata.gridarrays import Int32
from envdata.labels import LabelBook
from envdata.ledger import FINISHED, PRUNED, UNLIMITED, Bools, Calls, Costs, Ints, Ledger
from envdata.replay import ReplayWorld
from envdata.rules import Course, Settled, prune
from envdata.traces import TraceLog

MAX_BRANCHES = 64
"""The paper's branch ceiling."""

RUNNING = -1
"""The status of an episode that has not ended."""


@dataclass(frozen=True)
class Terms:
    """On what terms episodes are played."""

    max_branches: int = MAX_BRANCHES
    budget: int | None = None
    """B in tokens; None is unlimited."""
    probe_cost: int | None = 0
    """κ_probe in tokens; None takes the grid's recorded costs."""
    repeats_last: bool = False
    """Whether a finished branch can be advanced again, at the cost of its last interval, as in the AutoTTS release."""

    def __post_init__(self) -> None:
        if self.max_branches < 1:
            raise ValueError(f"max_branches is {self.max_branches}; an episode needs at least 1")
        if self.budget is not None and self.budget < 1:
            raise ValueError(f"budget is {self.budget} tokens; give at least 1, or none for an unlimited one")
        if self.probe_cost is not None and self.probe_cost < 0:
            raise ValueError(f"probe cost is {self.probe_cost} tokens; give 0 or more, or 'recorded'")


@dataclass(frozen=True)
class Played:
    """What calls did, as a controller may see it."""

    settled: Settled
    label: Ints
    """(T,) labels, −1 where nothing was revealed."""
    fresh: Bools
    """(T,) whether the label was given out by this call."""
    parsed: Callable[[Ints], Bools]
    """Of some of the targets, whether the label is an answer at all."""
    course: Course | None = None
    """More of what was done, where some of the calls stand for several."""


@dataclass(frozen=True)
class GroupResult:
    """How the Q episodes of a group ended, in question order."""

    status: Ints
    correct: Bools
    answer: list[str | None]
    tokens: Ints
    sequential_tokens: Ints
    longest_branch: Ints
    """(Q,) tokens of the branch that cost most."""
    branches: Ints
    pruned: Ints
    finished: Ints
    calls: Ints
    """(Q,) admitted calls."""
    why: dict[int, str]
    """Why episodes failed, by question."""


class Episodes:
    """`groups` × Q episodes of a grid; episode g × Q + q plays question q in group g."""

    def __init__(self, grid: Grid, terms: Terms, groups: int) -> None:
        """Make room; raises ValueError if `terms` ask for recorded probe costs that the grid does not have."""
        arrays = grid.arrays
        if terms.probe_cost is None and arrays.probe_tokens is None:
            raise ValueError(f"{grid.name}: the grid records no probe costs; give κ_probe as a number of tokens")
        self.grid, self.terms = grid, terms
        self.questions = len(arrays.question_texts)
        n = groups * self.questions
        recorded = 0 if arrays.probe_tokens is None else int(arrays.probe_tokens.max(initial=0))
        self.costs = Costs(
            arrays.interval,
            recorded if terms.probe_cost is None else terms.probe_cost,
            UNLIMITED if terms.budget is None else terms.budget,
            terms.repeats_last,
        )
        self.ceilings = np.minimum(grid.branches, terms.max_branches).astype(np.int64)
        """(Q,) branches that an episode of each question may open."""
        width = int(self.ceilings.max())
        self.ledger = Ledger(n, width)
        self.labels = LabelBook(grid, groups)
        self.traces = TraceLog(self._spelt, n)
        self._world = ReplayWorld(grid, n, width, terms.probe_cost)
        self._question = np.tile(np.arange(self.questions), groups)
        self._parsed = _parsed_codes(grid)
        self._status = np.full(n, RUNNING, np.int64)
        self._answer = np.full(n, -1, np.int64)
        self._calls = np.zeros(n, np.int64)
        self._why: dict[int, str] = {}

    def begin(self, group: int, orders: Sequence[Int32], *, traced: bool) -> None:
        """Start a group anew: question q opens its branches in the order orders[q]."""
        own = self._slice(group)
        self.ledger.begin(own, self.ceilings)
        self.labels.begin(group)
        self._world.begin(own.start, orders)
        self._status[own] = RUNNING
        self._answer[own] = -1
        self._calls[own] = 0
        self._why = {episode: why for episode, why in self._why.items() if not own.start <= episode < own.stop}
        self.traces.begin(own, traced)

    def play(self, calls: Calls) -> Played:
        """Apply calls of distinct episodes: BRANCH, READ, CONTINUE, FINISH, PROBE, and those that stand for several."""
        return self._played(calls, several.settle(self.ledger, calls, self._world, self.costs, self.labels.known))

    def take(self, episode: Ints, count: Ints, branch: Ints) -> Bools:
        """Apply what was TAKEN from sealed branches; returns (k,) of which episodes that cannot be, and is nothing."""
        wrong = taken.impossible(self.ledger, episode, count, branch)
        if wrong.any():
            kept = ~wrong
            episode, count, branch = episode[kept], count[kept], branch[kept.repeat(count)]
        if episode.size:
            self._played(*taken.settle(self.ledger, episode, count, branch, self._world, self.costs))
        return wrong

    def _played(self, calls: Calls, done: Settled | Course) -> Played:
        """Give out labels, and write down what was done."""
        course = done if isinstance(done, Course) else None
        settled = done.settled if isinstance(done, Course) else done
        episode = calls.episode[settled.call]
        label = np.full(len(settled.call), -1, np.int64)
        fresh = np.zeros(len(settled.call), bool)
        shown = slice(None) if settled.revealed.all() else np.flatnonzero(settled.revealed)
        known = self.labels.revealed[episode[shown]]
        label[shown] = self.labels.number(
            episode[shown], settled.answer[shown], None if course is None else course.step[shown]
        )
        fresh[shown] = label[shown] >= known
        self.traces.add_calls(calls, done, episode, self._calls, self.ledger)
        self._calls[calls.episode] += settled.refusal == Refusal.ADMITTED if course is None else course.made

        def parsed(rows: Ints) -> Bools:
            code = self.grid.arrays.first_text[self._question[episode[rows]]] + settled.answer[rows]
            marks: Bools = self._parsed[code] & settled.revealed[rows]
            return marks

        return Played(settled, label, fresh, parsed, course)

    def prune(self, episode: Ints, branch: Ints) -> Ints:
        """PRUNE one branch an entry; returns (n,) `Refusal` values."""
        refusal = prune(self.ledger, episode, branch)
        self.traces.add_prunes(episode, branch, refusal == Refusal.ADMITTED, self._calls, self.ledger)
        return refusal

    def answer(self, episode: int, label: int | None, status: int) -> Refusal:
        """ANSWER: end an episode with a label that it revealed, or None, under the given status."""
        if self.ledger.over[episode]:
            return Refusal.EPISODE_OVER
        code = -1
        if label is not None:
            known = self.labels.code(episode, label)
            if known is None:
                return Refusal.UNREVEALED_ANSWER
            code = known
        self._end(episode, status, code)
        self.traces.add_end(episode, Op.ANSWER, code, self._calls, self.ledger)
        return Refusal.ADMITTED

    def fail(self, episode: int, status: int, why: str) -> Refusal:
        """End an episode without an answer; `why` is kept, and goes into its trace."""
        if self.ledger.over[episode]:
            return Refusal.EPISODE_OVER
        self._end(episode, status, -1)
        self._why[episode] = why
        self.traces.add_end(episode, Op.FAIL, -1, self._calls, self.ledger, why)
        return Refusal.ADMITTED

    def note(self, episode: int, text: str) -> None:
        """Put a controller's remark into the trace."""
        self.traces.add_note(episode, text, self._calls, self.ledger)

    def running(self, group: int) -> Ints:
        """The group's episodes that have not ended."""
        own = self._slice(group)
        running: Ints = own.start + np.flatnonzero(self._status[own] == RUNNING)
        return running

    @property
    def confident(self) -> bool:
        """Whether answers come with a confidence."""
        return self.grid.arrays.confidences is not None

    def answer_text(self, episode: int, code: int) -> str:
        """How an answer code of the episode's question is spelt."""
        return self.grid.arrays.answer_text(int(self._question[episode]), code)

    def recorded_branches(self, places: slice) -> list[int]:
        """Which recorded branches of its question are at an episode's places of the ledger."""
        return self._world.recorded_branches(places)

    def result(self, group: int) -> GroupResult:
        """How the group's episodes ended."""
        own, ledger = self._slice(group), self.ledger
        shape = (self.questions, ledger.width)
        places = slice(own.start * ledger.width, own.stop * ledger.width)
        code = self._answer[own]
        state = ledger.state[places].reshape(shape)
        return GroupResult(
            status=self._status[own].copy(),
            correct=(code >= 0) & (code == self.grid.arrays.gold_code),
            answer=self._spelt(np.arange(self.questions), code).to_pylist(),
            tokens=ledger.tokens[own].copy(),
            sequential_tokens=ledger.sequential[own].copy(),
            longest_branch=(ledger.charged[places] + ledger.looked[places]).reshape(shape).max(axis=1),
            branches=ledger.opened[own].copy(),
            pruned=(state & PRUNED > 0).sum(axis=1),
            finished=(state & FINISHED > 0).sum(axis=1),
            calls=self._calls[own].copy(),
            why={
                episode - own.start: self._why[episode]
                for episode in range(own.start, own.stop)
                if episode in self._why
            },
        )

    def _spelt(self, question: npt.NDArray[np.integer], code: npt.NDArray[np.integer]) -> pa.Array:
        arrays = self.grid.arrays
        place = arrays.first_text[question] + code
        return arrays.answer_texts.take(pa.array(place, mask=code < 0)).cast(pa.string())

    def _slice(self, group: int) -> slice:
        return slice(group * self.questions, (group + 1) * self.questions)

    def _end(self, episode: int, status: int, code: int) -> None:
        self.ledger.over[episode] = True
        self._status[episode] = status
        self._answer[episode] = code


def _parsed_codes(grid: Grid) -> Bools:
    texts = grid.arrays.answer_texts
    marks = pa.array(sorted(UNPARSED), texts.type)
    parsed: Bools = ~pc.is_in(texts, value_set=marks).to_numpy(zero_copy_only=False)
    return parsed
