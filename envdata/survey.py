"""What a grid comes to, before any controller plays it: accuracies, agreement and lengths, with their intervals.

A branch that has ended keeps its final answer at every later depth, as it does for whoever votes over the branches that
are open. All intervals are over questions (`envdata.scoring`): branches of one question say nothing about another.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from envdata.answers import is_parsed
from envdata.grid import Grid
from envdata.ledger import Floats
from envdata.scoring import Interval, over_questions, question_means

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
NONE = -2
"""The code of what is no answer; −1 is a gold answer that no branch gives."""


@dataclass(frozen=True)
class Series:
    """A figure at each depth, with its interval: shapes (D,), fractions."""

    value: Floats
    low: Floats
    high: Floats


class Survey:
    """Figures of one grid with Q questions and B branches, the longest of L intervals; D = L + 1 depths."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        arrays = grid.arrays
        self.question: npt.NDArray[np.int64] = np.repeat(np.arange(len(grid.questions)), grid.branches)
        """(B,): the question of each branch."""
        parsed = np.array([is_parsed(text) for text in arrays.answer_texts.to_pylist()], bool)
        question_of = np.repeat(self.question, arrays.intervals + 1)
        known = parsed[arrays.first_text[question_of] + arrays.answer_codes] if len(parsed) else np.zeros(0, bool)
        codes = np.where(known, arrays.answer_codes, NONE).astype(np.int32)
        depth = np.minimum(np.arange(int(arrays.intervals.max()) + 1), arrays.intervals[:, None])
        self.answers: Codes = codes[arrays.first_answer[:, None] + depth]
        """(B, D): the answer after each interval, the final one from the branch's end on; `NONE` for none."""
        self.final: Codes = self.answers[:, -1]
        self.right: Bools = self.answers == arrays.gold_code[self.question][:, None]
        """(B, D)."""

    @property
    def depths(self) -> int:
        """D."""
        return int(self.answers.shape[1])

    @cached_property
    def single(self) -> Interval:
        """How often one branch, read to its end, is right."""
        return over_questions(self._means(self.right[:, -1]))

    @cached_property
    def oracle(self) -> Interval:
        """How often some branch is right at its end."""
        return over_questions((self._means(self.right[:, -1]) > 0).astype(float))

    @cached_property
    def majority(self) -> Interval:
        """How often the most frequent final answer of all branches, the first met among equals, is right."""
        return over_questions(self._majority_right(self.depths - 1))

    @cached_property
    def single_by_depth(self) -> Series:
        """How often a branch's answer at each depth is right."""
        return self._series([self._means(self.right[:, d]) for d in range(self.depths)])

    @cached_property
    def majority_by_depth(self) -> Series:
        """How often the majority's answer at each depth is right."""
        return self._series([self._majority_right(d) for d in range(self.depths)])

    @cached_property
    def settled_by_depth(self) -> Series:
        """How often a branch's answer at each depth is already its final one."""
        has = self.final != NONE
        same = (self.answers == self.final[:, None]) & has[:, None]
        return self._series([self._means(same[:, d]) for d in range(self.depths)])

    @cached_property
    def agreement_by_depth(self) -> Series:
        """The share of branches that give the most frequent answer at each depth."""
        return self._series([self._plurality(d)[1] for d in range(self.depths)])

    @cached_property
    def finished_by_depth(self) -> Floats:
        """(D,): the share of branches that have ended after d + 1 intervals, or sooner."""
        ended = self.grid.arrays.intervals[:, None] <= np.arange(self.depths)
        shares: Floats = ended.mean(axis=0)
        return shares

    @cached_property
    def last_probe_agrees(self) -> tuple[int, int]:
        """Branches whose last probe gives the final answer, and branches that have both."""
        intervals = self.grid.arrays.intervals
        last = self.answers[np.arange(len(intervals)), np.maximum(intervals - 1, 0)]
        both = (intervals > 0) & (last != NONE) & (self.final != NONE)
        return int((both & (last == self.final)).sum()), int(both.sum())

    def _means(self, values: Bools) -> Floats:
        return question_means(values, self.question, len(self.grid.questions))

    def _majority_right(self, depth: int) -> Floats:
        leading, _ = self._plurality(depth)
        right: Floats = (leading == self.grid.arrays.gold_code).astype(float)
        return right

    def _plurality(self, depth: int) -> tuple[Codes, Floats]:
        """By question: the most frequent answer at a depth, the first met among equals, and its share of all branches.

        `NONE` and 0 where no branch has an answer.
        """
        first = self.grid.arrays.first_branch
        leading = np.full(len(first) - 1, NONE, np.int32)
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
    def _series(by_depth: list[Floats]) -> Series:
        """`by_depth` has a value a question, at each depth."""
        found = [over_questions(values) for values in by_depth]
        return Series(
            np.array([each.value for each in found]),
            np.array([each.low for each in found]),
            np.array([each.high for each in found]),
        )
