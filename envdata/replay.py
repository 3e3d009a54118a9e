"""Recorded branches of a grid as the source of branches in replayed episodes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from envdata.episode_state import Bools, Ints
from envdata.rules import BranchProgress, RevealedAnswers

if TYPE_CHECKING:
    # Research data is played where pyarrow may be missing (`graph.explorers.research`).
    from envdata.grid import Grid
    from envdata.grid_arrays import Float32, GridArrays, Int32


def probe_costs(arrays: "GridArrays", probe_cost: int | None, prefill_weight: float) -> "Int32 | int":
    """Return the cost of each probe: the tokens that it decodes, and its prefill by weight, rounded up.

    Args:
        arrays: The grid.
        probe_cost: κ_probe in tokens; None takes the recorded tokens, 0 where the grid records none.
        prefill_weight: Tokens that a token of prefill costs; prefill that the grid does not record costs nothing.

    Returns:
        In tokens; shape (answers,), in the order of `GridArrays.answer_codes`, or one number if all cost the same.
    """
    decoded = arrays.probe_tokens if probe_cost is None else None
    if prefill_weight and arrays.probe_prefill is not None:
        costs: Int32 = np.ceil(prefill_weight * arrays.probe_prefill).astype(np.int32)
        costs += np.int32(probe_cost or 0) if decoded is None else decoded
        return costs
    return decoded if decoded is not None else probe_cost or 0


def largest_cost(costs: "Int32 | int") -> int:
    """Return the largest cost of a probe among those of `probe_costs`, in tokens; 0 for a grid without probes."""
    return costs if isinstance(costs, int) else int(costs.max(initial=0))


class ReplayBranchSource:
    """Branches of a grid, for many episodes at once (an `envdata.rules.BranchSource`).

    With L recorded intervals, steps 1 … L of a branch cost Δ each; step L + 1 costs max(0, tokens − Δ·L) and alone
    reports the branch finished. Decoding to the end costs max(0, tokens − the tokens charged so far). All costs are in
    tokens.

    A place is episode × width + branch, where branches are numbered in the order of opening.
    """

    def __init__(self, grid: "Grid", episodes: int, width: int, probe_costs: "Int32 | int") -> None:
        """Allocate places for branches; `begin` assigns recorded branches to them.

        Args:
            grid: The grid that is replayed.
            episodes: The number of episodes.
            width: The largest number of branches of an episode.
            probe_costs: What probes cost, from `probe_costs`.
        """
        self._arrays = grid.arrays
        self._width = width
        self._probe_costs = probe_costs
        places = episodes * width
        self._branch = np.zeros(places, np.int64)
        """The grid's branch at each place; branch 0 at unused places."""
        self._length = np.zeros(places, np.int64)
        """Whole length of the branch at each place, in tokens."""
        self._last = np.zeros(places, np.int64)
        """L, the recorded intervals of the branch at each place."""
        self._answers = np.zeros(places, np.int64)
        """Index such that `answer_codes[index + d]` is the answer at depth d, at each place."""

    def begin(self, first: int, orders: "Sequence[Int32]") -> None:
        """Assign branches to the places of Q consecutive episodes, one for each question of the grid.

        Args:
            first: The first of the episodes.
            orders: For each question the order in which its branches are opened, shape (branches of the question,).
        """
        for number, order in enumerate(orders):
            shown = order[: self._width]
            start = (first + number) * self._width
            own = slice(start, start + len(shown))
            np.add(shown, self._arrays.first_branch[number], out=self._branch[own])
        whole = slice(first * self._width, (first + len(orders)) * self._width)
        branch = self._branch[whole]
        self._length[whole] = self._arrays.tokens[branch]
        self._last[whole] = self._arrays.intervals[branch]
        np.subtract(self._arrays.first_answer[branch], 1, out=self._answers[whole])

    def recorded_branches(self, places: slice) -> list[int]:
        """Return for each place of one episode the index of its branch within the question."""
        question = places.start // self._width % len(self._arrays.question_texts)
        own: list[int] = (self._branch[places] - self._arrays.first_branch[question]).tolist()
        return own

    def decode(self, places: Ints, depth: Ints, charged: Ints, to_end: Bools) -> BranchProgress:
        """Decode branches by one interval, or to their ends; see `envdata.rules.BranchSource.decode`."""
        interval = self._arrays.interval
        last = self._last[places]
        finished = depth >= last
        tokens = np.full(len(places), interval, np.int64)
        ends = np.flatnonzero(finished)
        if ends.size:
            tokens[ends] = np.maximum(0, self._length[places[ends]] - interval * last[ends])
        # A finished branch may be advanced again (`Costs.repeats_last`); its depth stays the same.
        reached = np.minimum(depth, last) + 1
        if to_end.any():
            read = np.flatnonzero(to_end)
            tokens[read] = np.maximum(0, self._length[places[read]] - charged[read])
            reached[read] = last[read] + 1
            finished[read] = True
        return BranchProgress(tokens, finished, reached)

    def partial_depth(self, places: Ints, charged: Ints) -> Ints:
        """Return the number of whole intervals in `charged` tokens of unfinished branches."""
        held: Ints = np.minimum(charged // self._arrays.interval, self._last[places])
        return held

    def ends(self, places: Ints) -> Ints:
        """Return L + 1, the depth at which each branch is finished."""
        depth: Ints = self._last[places] + 1
        return depth

    def places_of_answers(self, places: Ints, depth: Ints) -> Ints:
        """Return the index in `GridArrays.answer_codes` of the answer of branches at `depth` in 1 … L + 1."""
        found: Ints = self._answers[places] + depth
        return found

    def answers(self, places: Ints, depth: Ints) -> Ints:
        """Return the answer codes of branches at `depth` in 1 … L + 1, without revealing them to an episode."""
        codes: Ints = self._arrays.answer_codes[self.places_of_answers(places, depth)].astype(np.int64)
        return codes

    def signal(self, name: str, places: Ints, first: Ints, depth: Ints) -> "Float32":
        """Return a signal's recorded values at depths `first` + 1 … `depth`, branch after branch."""
        counts = depth - first
        starts = np.cumsum(counts) - counts
        at = np.repeat(self._answers[places] + first + 1 - starts, counts) + np.arange(int(counts.sum()))
        values: Float32 = self._arrays.signals[name][at]
        return values

    def look(self, places: Ints, depth: Ints, finished: Bools) -> RevealedAnswers:
        """Return the recorded answers at `depth`, where depth L + 1 holds the final one."""
        arrays = self._arrays
        at = self._answers[places] + depth
        answer = arrays.answer_codes[at].astype(np.int64)
        if arrays.confidences is None:
            confidence = np.full(len(at), np.nan)
        else:
            confidence = arrays.confidences[at].astype(np.float64)
        costs = self._probe_costs
        cost = np.full(len(at), costs, np.int64) if isinstance(costs, int) else costs[at].astype(np.int64)
        return RevealedAnswers(answer, confidence, cost)
