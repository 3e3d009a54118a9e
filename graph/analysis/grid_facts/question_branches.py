"""The branches of one question as dense arrays, in which a branch that has ended keeps its final answer."""

from dataclasses import dataclass

import numpy as np

from envdata.episode_state import Bools, Floats, Ints
from envdata.grid import Grid
from envdata.grid_arrays import NO_ANSWER, Int32

UNPARSED = NO_ANSWER
"""Code of a text that is not an answer."""


@dataclass(frozen=True)
class QuestionBranches:
    """N branches of a question, the longest of D depths; their answers are numbered 0 … C − 1 within the question."""

    answers: Int32
    """(N, D): answer after d + 1 intervals, the final one from the branch's end on; `UNPARSED` for none."""
    ends: Ints
    """(N,): L, the column of `answers` that first holds the final answer."""
    tokens: Ints
    """(N,): whole lengths."""
    gold: int
    """Code of the gold answer; −1 if no branch ever gives it."""
    interval: int
    """Δ, in tokens."""
    confidences: Floats | None
    """(N,): confidence of each branch's last probe, NaN where none is known; None if the grid has none."""
    probed: bool = True
    """Whether `answers` before the ends are those of probes."""

    @classmethod
    def of(cls, grid: Grid, question: int) -> "QuestionBranches":
        """Return the branches of the question with this number, from 0."""
        arrays = grid.arrays
        own, first, gold = arrays.branches_of(question), arrays.first_text[question], int(arrays.gold_code[question])
        ends = arrays.intervals[own].astype(np.int64)
        depth = np.minimum(np.arange(int(ends.max(initial=0)) + 1), ends[:, None])
        places = arrays.first_answer[own, None] + depth
        codes = arrays.answer_codes[places]
        sure = None
        if arrays.confidences is not None:
            last = places[np.arange(len(ends)), np.maximum(ends - 1, 0)]
            sure = arrays.confidences[last].astype(np.float64)
        return cls(
            np.where(grid.parsed[first + codes], codes, UNPARSED).astype(np.int32),
            ends,
            arrays.tokens[own].astype(np.int64),
            gold if gold >= 0 and grid.parsed[first + gold] else -1,
            arrays.interval,
            sure,
            grid.probed,
        )

    @property
    def final(self) -> Int32:
        """(N,): final answers."""
        own: Int32 = self.answers[:, -1]
        return own

    @property
    def right(self) -> Bools:
        """(N,): whether each branch ends with the gold answer."""
        own: Bools = self.final == self.gold if self.gold >= 0 else np.zeros(len(self.final), np.bool_)
        return own

    @property
    def reached(self) -> Bools:
        """(N, D): whether each entry of `answers` is one that the branch gave itself, its end included."""
        own: Bools = np.arange(self.answers.shape[1]) <= self.ends[:, None]
        return own
