"""What a grid knows beyond an episode: the gold answers, and where the branches would have ended. Stays on the host."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envdata.answers import is_parsed
from envdata.grid import Grid
from envdata.orders import ORDERS


@dataclass(frozen=True)
class Recorded:
    """A grid under one branch order."""

    gold: Sequence[str]
    """By question."""
    finals: Sequence[Sequence[str]]
    """For each question the final answers of its branches, in the order in which an episode opens them."""

    @classmethod
    def of(cls, grid: Grid, *, order: str, seed: int, repeat: int, ceiling: int) -> "Recorded":
        """The grid as the episodes of one repeat meet it, up to `ceiling` branches a question."""
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

    def would_vote(self, question: int, branches: int) -> str | None:
        """What the first `branches` branches of a question, read to their ends, vote for; None without a clear lead."""
        return plurality(self.finals[question][:branches])


def plurality(answers: Sequence[str]) -> str | None:
    """The answer with more votes than any other; None if there is none. What is no answer does not vote."""
    ranked = Counter(answer for answer in answers if is_parsed(answer)).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
