"""Reference answers of a grid: gold answers and the final answers of its branches. They stay on the host."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from envdata.answers import is_parsed
from envdata.branch_orders import ORDERS
from envdata.grid import Grid


@dataclass(frozen=True)
class ReferenceAnswers:
    """Gold answers of a grid, and the final answers of its branches in one branch order."""

    gold: Sequence[str]
    """Gold answer of each question."""
    finals: Sequence[Sequence[str]]
    """For each question, the final answers of its branches in the order in which an episode opens them."""
    _votes: dict[tuple[int, int], str | None] = field(default_factory=dict, compare=False)
    """Cache of `vote_of_first`."""

    @classmethod
    def of(cls, grid: Grid, *, order: str, seed: int, repeat: int, ceiling: int) -> "ReferenceAnswers":
        """Return the answers of a grid in the branch order of one repeat.

        Args:
            grid: The grid.
            order: Name of the branch order (`envdata.branch_orders.ORDERS`).
            seed: Seed of the run.
            repeat: Number of the repeat, from 0.
            ceiling: Branches a question, at most.
        """
        arrays = grid.arrays
        codes = arrays.answer_codes[arrays.first_answer + arrays.intervals]
        question_of = np.repeat(np.arange(len(grid.branches)), grid.branches)
        texts = arrays.answer_texts.take(arrays.first_text[question_of] + codes).to_pylist()
        finals = []
        for question, count in enumerate(grid.branches.tolist()):
            start = int(arrays.first_branch[question])
            opened = ORDERS[order](count, seed, repeat)[:ceiling]
            finals.append([str(texts[start + place]) for place in opened.tolist()])
        return cls(grid.gold_answers, finals)

    def vote_of_first(self, question: int, branches: int) -> str | None:
        """Return the plurality of the final answers of a question's first `branches` branches; None for a tie."""
        key = question, branches
        if key not in self._votes:
            self._votes[key] = plurality(self.finals[question][:branches])
        return self._votes[key]


def plurality(answers: Sequence[str]) -> str | None:
    """Return the answer with more votes than any other, or None for a tie. Answers that are not parsed do not vote."""
    ranked = Counter(answer for answer in answers if is_parsed(answer)).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
