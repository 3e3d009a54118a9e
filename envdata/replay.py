"""The world behind a replayed episode: recorded branches, read in a given order."""

from collections.abc import Sequence

import numpy as np

from envdata.grid import Grid
from envdata.gridarrays import Int32
from envdata.ledger import Bools, Ints
from envdata.rules import Decoded, Seen


class ReplayWorld:
    """Branches of a grid, for many episodes at once (`envdata.rules.World`).

    With L recorded intervals, steps 1 … L of a branch cost Δ each; step L + 1 costs max(0, tokens − Δ·L) and alone
    reports the branch finished. Reading to the end costs max(0, tokens − what the branch cost already).
    """

    def __init__(self, grid: Grid, episodes: int, width: int, probe_cost: int | None) -> None:
        """Make room for `episodes` × `width` branches; `probe_cost` is κ_probe in tokens, None for the recorded one."""
        self._arrays = grid.arrays
        self._width = width
        self._probe_cost = probe_cost
        places = episodes * width
        self._branch = np.zeros(places, np.int64)
        """The grid's branch at each place; the first one where there is none."""
        self._length = np.zeros(places, np.int64)
        """Tokens of the branch at each place; likewise below."""
        self._last = np.zeros(places, np.int64)
        """L, the recorded intervals."""
        self._answers = np.zeros(places, np.int64)
        """Where the branch's answers begin, less one: its answer at depth d stands d entries further."""

    def begin(self, first: int, orders: Sequence[Int32]) -> None:
        """Let the episodes from `first` on, one for each question, open their branches in the given orders."""
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
        """By place, the branch that is there, as its question numbers them."""
        question = places.start // self._width % len(self._arrays.question_texts)
        own: list[int] = (self._branch[places] - self._arrays.first_branch[question]).tolist()
        return own

    def decode(self, places: Ints, depth: Ints, charged: Ints, to_end: Bools) -> Decoded:
        """Go on by one interval, or to the end where `to_end`."""
        interval = self._arrays.interval
        last = self._last[places]
        finished = depth >= last
        tokens = np.full(len(places), interval, np.int64)
        ends = np.flatnonzero(finished)
        if ends.size:
            tokens[ends] = np.maximum(0, self._length[places[ends]] - interval * last[ends])
        # A finished branch may be asked again (`Costs.repeats_last`); it stays where it is.
        reached = np.minimum(depth, last) + 1
        if to_end.any():
            read = np.flatnonzero(to_end)
            tokens[read] = np.maximum(0, self._length[places[read]] - charged[read])
            reached[read] = last[read] + 1
            finished[read] = True
        return Decoded(tokens, finished, reached)

    def partial_depth(self, places: Ints, charged: Ints) -> Ints:
        """Whole intervals that `charged` tokens of an unfinished branch hold."""
        held: Ints = np.minimum(charged // self._arrays.interval, self._last[places])
        return held

    def ends(self, places: Ints) -> Ints:
        """L + 1, the depth at which each branch is at its end."""
        depth: Ints = self._last[places] + 1
        return depth

    def answers(self, places: Ints, depth: Ints) -> Ints:
        """The codes of what branches answer at `depth` in 1 … L + 1, revealing nothing."""
        codes: Ints = self._arrays.answer_codes[self._answers[places] + depth].astype(np.int64)
        return codes

    def look(self, places: Ints, depth: Ints, finished: Bools) -> Seen:
        """The recorded answers at `depth` (L + 1 holds the final one)."""
        arrays = self._arrays
        at = self._answers[places] + depth
        answer = arrays.answer_codes[at].astype(np.int64)
        if arrays.confidences is None:
            confidence = np.full(len(at), np.nan)
        else:
            confidence = arrays.confidences[at].astype(np.float64)
        if self._probe_cost is not None:
            return Seen(answer, confidence, np.full(len(at), self._probe_cost, np.int64))
        if arrays.probe_tokens is None:
            raise ValueError("the grid records no probe costs; give κ_probe as a number")
        return Seen(answer, confidence, arrays.probe_tokens[at].astype(np.int64))
