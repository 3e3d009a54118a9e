"""Statistics of a grid before any controller plays it: accuracies, agreement and lengths, with intervals.

A branch that has ended keeps its final answer at every later depth, as in a vote over the branches that are open. All
intervals are over questions (`envdata.intervals`): branches of one question say nothing about another.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from envdata.episode_state import Floats
from envdata.grid import Grid
from envdata.intervals import Interval, over_questions
from envdata.scoring import question_means

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
NO_ANSWER_CODE = -2
"""Code of a text that is not an answer; −1 is the code of a gold answer that no branch gives."""


@dataclass(frozen=True)
class DepthSeries:
    """A figure at each depth with its interval, as fractions of shape (D,); with one question all three are equal."""

    value: Floats
    low: Floats
    high: Floats


class GridStatistics:
    """Statistics of one grid with Q questions and B branches, the longest of L intervals; D = L + 1 depths."""

    def __init__(self, grid: Grid) -> None:
        """Work out the answer of every branch at every depth; figures follow when they are first asked for."""
        self.grid = grid
        arrays = grid.arrays
        self.question: npt.NDArray[np.int64] = np.repeat(np.arange(len(grid.questions)), grid.branches)
        """Question of each branch, shape (B,)."""
        question_of = np.repeat(self.question, arrays.intervals + 1)
        parsed = grid.parsed[arrays.first_text[question_of] + arrays.answer_codes]
        codes = np.where(parsed, arrays.answer_codes, NO_ANSWER_CODE).astype(np.int32)
        depth = np.minimum(np.arange(int(arrays.intervals.max()) + 1), arrays.intervals[:, None])
        self.answers: Codes = codes[arrays.first_answer[:, None] + depth]
        """Answer code after each interval, the final one from a branch's end on, `NO_ANSWER_CODE` for none: (B, D)."""
        self.final: Codes = self.answers[:, -1]
        self.right: Bools = self.answers == arrays.gold_code[self.question][:, None]
        """Whether each entry of `answers` is the gold answer, shape (B, D)."""

    @property
    def depths(self) -> int:
        """D, the number of depths."""
        return int(self.answers.shape[1])

    @cached_property
    def single(self) -> Interval:
        """Accuracy of one branch that is read to its end."""
        return over_questions(self._means(self.right[:, -1]))

    @cached_property
    def oracle(self) -> Interval:
        """Share of questions in which some branch is right at its end."""
        return over_questions((self._means(self.right[:, -1]) > 0).astype(float))

    @cached_property
    def majority(self) -> Interval:
        """Accuracy of the most frequent final answer of all branches; of equally frequent ones the first counts."""
        return over_questions(self._majority_right(self.depths - 1))

    @cached_property
    def single_by_depth(self) -> DepthSeries:
        """Accuracy of a branch's answer at each depth."""
        return self._series([self._means(self.right[:, d]) for d in range(self.depths)])

    @cached_property
    def majority_by_depth(self) -> DepthSeries:
        """Accuracy of the majority's answer at each depth."""
        return self._series([self._majority_right(d) for d in range(self.depths)])

    @cached_property
    def settled_by_depth(self) -> DepthSeries:
        """Share of branches whose answer at each depth is already their final one."""
        has = self.final != NO_ANSWER_CODE
        same = (self.answers == self.final[:, None]) & has[:, None]
        return self._series([self._means(same[:, d]) for d in range(self.depths)])

    @cached_property
    def agreement_by_depth(self) -> DepthSeries:
        """Share of branches that give the most frequent answer at each depth."""
        return self._series([self._plurality(d)[1] for d in range(self.depths)])

    @cached_property
    def finished_by_depth(self) -> Floats:
        """Share of branches that have ended after d + 1 intervals, or sooner, shape (D,)."""
        ended = self.grid.arrays.intervals[:, None] <= np.arange(self.depths)
        shares: Floats = ended.mean(axis=0)
        return shares

    @cached_property
    def last_probe_agrees(self) -> tuple[int, int]:
        """Number of branches whose last probe gives the final answer, and number of branches that have both."""
        intervals = self.grid.arrays.intervals
        last = self.answers[np.arange(len(intervals)), np.maximum(intervals - 1, 0)]
        both = (intervals > 0) & (last != NO_ANSWER_CODE) & (self.final != NO_ANSWER_CODE)
        return int((both & (last == self.final)).sum()), int(both.sum())

    def _means(self, values: Bools) -> Floats:
        """Return the mean of one value a branch for each question, shape (Q,)."""
        return question_means(values, self.question, len(self.grid.questions))

    def _majority_right(self, depth: int) -> Floats:
        """Return for each question 1 or 0, whether the majority at a depth is right, shape (Q,)."""
        leading, _ = self._plurality(depth)
        right: Floats = (leading == self.grid.arrays.gold_code).astype(float)
        return right

    def _plurality(self, depth: int) -> tuple[Codes, Floats]:
        """Return the most frequent answer of each question at a depth and its share of all branches, both (Q,).

        Of equally frequent answers it is the first. `NO_ANSWER_CODE` and 0 where no branch has an answer.
        """
        first = self.grid.arrays.first_branch
        leading = np.full(len(first) - 1, NO_ANSWER_CODE, np.int32)
        share = np.zeros(len(first) - 1)
        for question in range(len(first) - 1):
            own = self.answers[first[question] : first[question + 1], depth]
            given = own[own >= 0]
            if given.size:
                counts = np.bincount(given)
                leading[question] = given[np.argmax(counts[given])]
                share[question] = counts.max() / len(own)
        return leading, share

    @staticmethod
    def _series(by_depth: list[Floats]) -> DepthSeries:
        """Return the figures over questions; `by_depth` has an array of shape (Q,) for each depth."""
        intervals = [over_questions(values) for values in by_depth]
        return DepthSeries(
            np.array([each.value for each in intervals]),
            np.array([each.value if each.low is None else each.low for each in intervals]),
            np.array([each.value if each.high is None else each.high for each in intervals]),
        )
