"""Many replayed episodes at once: rules, grid, opaque labels, results and traces.

Episodes form *groups*: a group plays every question of the grid once, under one branch order (a repeat).
`Episodes.play` returns what a controller may see; gold answers and unrevealed answers stay in here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from envdata.actions import Op, Refusal
from envdata.episode_state import FINISHED, PRUNED, UNLIMITED, Bools, Calls, Costs, EpisodeStates, Ints
from envdata.grid import Grid
from envdata.grid_arrays import Float32, Int32
from envdata.labels import LabelBook
from envdata.replay import ReplayBranchSource, largest_cost, probe_costs
from envdata.rules import SettledCalls, apply_calls, prune
from envdata.traces import TraceLog

MAX_BRANCHES = 64
"""The paper's branch ceiling."""

RUNNING = -1
"""Status of an episode that has not ended."""


@dataclass(frozen=True)
class Terms:
    """Limits and costs that episodes are played under."""

    max_branches: int = MAX_BRANCHES
    """Largest number of branches of an episode."""
    budget: int | None = None
    """B in tokens; None is unlimited."""
    probe_cost: int | None = None
    """κ_probe in tokens; None charges what a grid recorded, and nothing where it records no costs."""
    repeats_last: bool = False
    """Whether a finished branch can be advanced again, at the cost of its last interval, as in the AutoTTS release."""
    prefill_weight: float = 0.0
    """Tokens charged for each token of prefill that a probe needed, where a grid recorded it. In replay alone."""

    def __post_init__(self) -> None:
        if self.max_branches < 1:
            raise ValueError(f"max_branches is {self.max_branches}; an episode needs at least 1")
        if self.budget is not None and self.budget < 1:
            raise ValueError(f"budget is {self.budget} tokens; give at least 1, or none for an unlimited one")
        if self.probe_cost is not None and self.probe_cost < 0:
            raise ValueError(f"probe cost is {self.probe_cost} tokens; give 0 or more, 'free' or 'recorded'")
        if not 0 <= self.prefill_weight < float("inf"):
            raise ValueError(f"prefill weight is {self.prefill_weight:g}; give 0 or more, 1 for a decoded token's cost")

    def on(self, grids: Iterable[Grid]) -> "Terms":
        """Return the terms as they are on grids: probes are free if none of them records what they cost."""
        recorded = any(grid.arrays.probe_tokens is not None for grid in grids)
        return self if self.probe_cost is not None or recorded else replace(self, probe_cost=0)

    def costs(self, interval: int, probe: int, *, probes: bool = True) -> Costs:
        """Return the largest costs of an episode's actions.

        Args:
            interval: Δ, in tokens.
            probe: The largest cost of a probe, in tokens.
            probes: Whether branches can be probed.
        """
        budget = UNLIMITED if self.budget is None else self.budget
        return Costs(interval, probe, budget, self.repeats_last, probes)


@dataclass(frozen=True)
class CallResults:
    """Results of calls, as a controller may see them."""

    settled: SettledCalls
    label: Ints
    """Labels, −1 where nothing was revealed, shape (T,)."""
    fresh: Bools
    """Whether these calls gave out the label, shape (T,)."""
    parsed: Callable[[Ints], Bools]
    """Function of target indices, shape (N,), that returns whether their labels are answers, shape (N,)."""


UNRECORDED = -1
"""Stands for a cost of probes that a grid does not record."""


@dataclass(frozen=True)
class GroupResult:
    """Results of the Q episodes of a group, in the order of questions; arrays have shape (Q,)."""

    status: Ints
    correct: Bools
    answer: list[str | None]
    tokens: Ints
    sequential_tokens: Ints
    longest_branch: Ints
    """Tokens of the branch that cost most."""
    branches: Ints
    """Branches that were opened."""
    pruned: Ints
    finished: Ints
    calls: Ints
    """Admitted calls."""
    decoded: Ints
    """Tokens of branches that were decoded, without those of probes."""
    probe_tokens: Ints
    """Tokens that the recorded probes decoded, whatever they are charged; `UNRECORDED` where a grid has none."""
    probe_prefill: Ints
    """Prompt tokens that these probes had to read anew; `UNRECORDED` where a grid has none."""
    why: dict[int, str]
    """Reasons of failures, by question."""


class Episodes:
    """`groups` × Q episodes of a grid; episode g × Q + q plays question q in group g."""

    def __init__(self, grid: Grid, terms: Terms, groups: int) -> None:
        """Allocate the episodes; `begin` starts them.

        Args:
            grid: The grid that is replayed.
            terms: Limits and costs.
            groups: The number of groups that are played at once.
        """
        arrays = grid.arrays
        self.grid, self.terms = grid, terms
        self.questions = len(arrays.question_texts)
        n = groups * self.questions
        probes = probe_costs(arrays, terms.probe_cost, terms.prefill_weight)
        self.costs = terms.costs(arrays.interval, largest_cost(probes), probes=grid.probed)
        self.ceilings = np.minimum(grid.branches, terms.max_branches).astype(np.int64)
        """Branches that an episode of each question may open, shape (Q,)."""
        width = int(self.ceilings.max())
        self.states = EpisodeStates(n, width)
        self.labels = LabelBook(grid, groups)
        self.traces = TraceLog(self._spelt, n)
        self._source = ReplayBranchSource(grid, n, width, probes)
        self._question = np.tile(np.arange(self.questions), groups)
        self._parsed = grid.parsed
        self._status = np.full(n, RUNNING, np.int64)
        self._answer = np.full(n, -1, np.int64)
        self._calls = np.zeros(n, np.int64)
        self._probed = {
            name: (recorded, np.zeros(n, np.int64))
            for name, recorded in (("tokens", arrays.probe_tokens), ("prefill", arrays.probe_prefill))
            if recorded is not None
        }
        """Recorded figures of the grid's probes, and their sums over the probes of each episode."""
        self._why: dict[int, str] = {}

    def begin(self, group: int, orders: Sequence[Int32], *, traced: bool) -> None:
        """Start a group anew.

        Args:
            group: The group, from 0.
            orders: For each question the order in which its branches are opened.
            traced: Whether the group's episodes are traced.
        """
        own = self._slice(group)
        self.states.begin(own, self.ceilings)
        self.labels.begin(group)
        self._source.begin(own.start, orders)
        self._status[own] = RUNNING
        self._answer[own] = -1
        self._calls[own] = 0
        for _, spent in self._probed.values():
            spent[own] = 0
        self._why = {episode: why for episode, why in self._why.items() if not own.start <= episode < own.stop}
        self.traces.begin(own, traced)

    def play(self, calls: Calls) -> CallResults:
        """Apply calls of distinct episodes: BRANCH, READ, CONTINUE, FINISH, PROBE."""
        settled = apply_calls(self.states, calls, self._source, self.costs)
        episode = calls.episode[settled.call]
        label = np.full(len(settled.call), -1, np.int64)
        fresh = np.zeros(len(settled.call), bool)
        shown = slice(None) if settled.revealed.all() else np.flatnonzero(settled.revealed)
        known = self.labels.revealed[episode[shown]]
        label[shown] = self.labels.number(episode[shown], settled.answer[shown])
        fresh[shown] = label[shown] >= known
        self.traces.add_calls(calls, settled, episode, self._calls, self.states)
        self._calls[calls.episode] += settled.refusal == Refusal.ADMITTED
        if self._probed:
            # A final answer takes no probe.
            paid = np.flatnonzero(settled.revealed & ~settled.finished)
            at = self._source.places_of_answers(settled.place[paid], settled.depth[paid])
            for recorded, spent in self._probed.values():
                np.add.at(spent, episode[paid], recorded[at])

        def parsed(rows: Ints) -> Bools:
            code = self.grid.arrays.first_text[self._question[episode[rows]]] + settled.answer[rows]
            marks: Bools = self._parsed[code] & settled.revealed[rows]
            return marks

        return CallResults(settled, label, fresh, parsed)

    def prune(self, episode: Ints, branch: Ints) -> Ints:
        """PRUNE one branch for each entry; `episode`, `branch` and the returned `Refusal` values have shape (n,)."""
        refusal = prune(self.states, episode, branch)
        self.traces.add_prunes(episode, branch, refusal == Refusal.ADMITTED, self._calls, self.states)
        return refusal

    def answer(self, episode: int, label: int | None, status: int) -> Refusal:
        """ANSWER: end an episode.

        Args:
            episode: The episode.
            label: A label that the episode revealed, or None.
            status: The status that it ends with.
        """
        if self.states.over[episode]:
            return Refusal.EPISODE_OVER
        code = -1
        if label is not None:
            known = self.labels.code(episode, label)
            if known is None:
                return Refusal.UNREVEALED_ANSWER
            code = known
        self._end(episode, status, code)
        self.traces.add_end(episode, Op.ANSWER, code, self._calls, self.states)
        return Refusal.ADMITTED

    def fail(self, episode: int, status: int, why: str) -> Refusal:
        """End an episode without an answer.

        Args:
            episode: The episode.
            status: The status that it ends with.
            why: The reason, for the result and the trace.
        """
        if self.states.over[episode]:
            return Refusal.EPISODE_OVER
        self._end(episode, status, -1)
        self._why[episode] = why
        self.traces.add_end(episode, Op.FAIL, -1, self._calls, self.states, why)
        return Refusal.ADMITTED

    def note(self, episode: int, text: str) -> None:
        """Add a controller's note to the trace."""
        self.traces.add_note(episode, text, self._calls, self.states)

    def running(self, group: int) -> Ints:
        """Return the group's episodes that have not ended."""
        own = self._slice(group)
        running: Ints = own.start + np.flatnonzero(self._status[own] == RUNNING)
        return running

    @property
    def confident(self) -> bool:
        """Whether answers come with a confidence."""
        return self.grid.arrays.confidences is not None

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Names of the grid's signals."""
        return self.grid.arrays.signal_names

    def signal(self, name: str, places: Ints, first: Ints) -> Float32:
        """Return a signal's values of branches, from depth `first` + 1 to the depth reached, branch after branch.

        Args:
            name: The signal's name; not that of the probes' confidences.
            places: The branches' places, episode × width + branch, shape (n,).
            first: Depths, none beyond the depth that its branch has reached, shape (n,).
        """
        return self._source.signal(name, places, first, self.states.depth[places])

    def answer_text(self, episode: int, code: int) -> str:
        """Return the text of an answer code of the episode's question."""
        return self.grid.arrays.answer_text(int(self._question[episode]), code)

    def recorded_branches(self, places: slice) -> list[int]:
        """Return the recorded branch, as its question numbers it, of each place of one episode."""
        return self._source.recorded_branches(places)

    def result(self, group: int) -> GroupResult:
        """Return how the group's episodes ended."""
        own, states = self._slice(group), self.states
        shape = (self.questions, states.width)
        places = slice(own.start * states.width, own.stop * states.width)
        code = self._answer[own]
        flags = states.flags[places].reshape(shape)
        return GroupResult(
            status=self._status[own].copy(),
            correct=(code >= 0) & (code == self.grid.arrays.gold_code),
            answer=self._spelt(np.arange(self.questions), code).to_pylist(),
            tokens=states.tokens[own].copy(),
            sequential_tokens=states.sequential[own].copy(),
            longest_branch=(states.charged[places] + states.looked[places]).reshape(shape).max(axis=1),
            branches=states.opened[own].copy(),
            pruned=(flags & PRUNED > 0).sum(axis=1),
            finished=(flags & FINISHED > 0).sum(axis=1),
            calls=self._calls[own].copy(),
            decoded=states.charged[places].reshape(shape).sum(axis=1),
            probe_tokens=self._probes_of(own, "tokens"),
            probe_prefill=self._probes_of(own, "prefill"),
            why={
                episode - own.start: self._why[episode]
                for episode in range(own.start, own.stop)
                if episode in self._why
            },
        )

    def _probes_of(self, own: slice, name: str) -> Ints:
        if name not in self._probed:
            return np.full(self.questions, UNRECORDED, np.int64)
        return self._probed[name][1][own].copy()

    def _spelt(self, question: npt.NDArray[np.integer], code: npt.NDArray[np.integer]) -> pa.Array:
        """Return the texts of answer codes of questions, null where a code is negative."""
        arrays = self.grid.arrays
        place = arrays.first_text[question] + code
        return arrays.answer_texts.take(pa.array(place, mask=code < 0)).cast(pa.string())

    def _slice(self, group: int) -> slice:
        """Return the episodes of a group."""
        return slice(group * self.questions, (group + 1) * self.questions)

    def _end(self, episode: int, status: int, code: int) -> None:
        """Mark an episode as ended, with an answer's code, −1 for none."""
        self.states.over[episode] = True
        self._status[episode] = status
        self._answer[episode] = code
