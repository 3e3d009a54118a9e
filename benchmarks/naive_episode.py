"""The rules of an episode for the plain replay of `naive`, over a grid's rows in memory.

No sandbox, no traces, no validation; strings for answers, one object for each branch. No code is shared with the
engine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

CEILING = 64
"""Limit of branches in an episode."""


class RecordedBranch(NamedTuple):
    """A branch as the grid has it."""

    probes: list[str]
    """Probed answer at each depth."""
    tokens: int
    final: str
    """Final answer."""


@dataclass
class Question:
    """A question with its recorded branches."""

    gold: str
    interval: int
    """Interval Δ in tokens."""
    branches: list[RecordedBranch]


def read(path: Path | str) -> list[Question]:
    """Return the questions of a grid's Parquet file."""
    table = pq.read_table(path)
    interval = int(table.schema.metadata[b"autotts.interval"])
    questions: dict[int, Question] = {}
    for row in table.to_pylist():
        question = questions.setdefault(row["question_id"], Question(row["gold_answer"], interval, []))
        question.branches.append(RecordedBranch(row["probe_answers"], row["tokens"], row["final_answer"]))
    return list(questions.values())


class Branch:
    """A branch in an episode."""

    def __init__(self, recorded: RecordedBranch, interval: int, index: int) -> None:
        self.recorded, self.interval, self.index = recorded, interval, index
        self.depth = self.paid = 0
        self.finished = self.pruned = False
        self.answer: str | None = None

    def step(self) -> int:
        """Advance by one interval; returns its cost in tokens."""
        probes, tokens, final = self.recorded
        if self.depth < len(probes):
            self.answer = probes[self.depth]
            cost = self.interval
        else:
            self.answer, self.finished = final, True
            cost = max(0, tokens - self.interval * len(probes))
        self.depth += 1
        self.paid += cost
        return cost

    def rest(self) -> int:
        """Advance to the end; returns the cost in tokens."""
        cost = max(0, self.recorded.tokens - self.paid)
        self.paid += cost
        self.depth, self.finished, self.answer = len(self.recorded.probes) + 1, True, self.recorded.final
        return cost


@dataclass
class Episode:
    """One question under one branch order. `sequential` adds up the longest branch of each call, in tokens."""

    question: Question
    order: Sequence[int]
    tokens: int = 0
    sequential: int = 0
    branches: list[Branch] = field(default_factory=list)

    @property
    def room(self) -> int:
        return min(CEILING, len(self.order)) - len(self.branches)

    def open(self, n: int) -> list[Branch]:
        opened = self.next(n)
        self.pay([branch.step() for branch in opened])
        return opened

    def read(self, n: int) -> list[Branch]:
        """Open branches and advance each to its end, which costs its length."""
        opened = self.next(n)
        self.pay([branch.rest() for branch in opened])
        return opened

    def next(self, n: int) -> list[Branch]:
        """Add the next branches of the order, unread."""
        start = len(self.branches)
        recorded, interval = self.question.branches, self.question.interval
        fresh = [Branch(recorded[self.order[i]], interval, i) for i in range(start, start + min(n, self.room))]
        self.branches += fresh
        return fresh

    def step(self, branches: Iterable[Branch]) -> None:
        self.pay([branch.step() for branch in branches])

    def rest(self, branches: Iterable[Branch]) -> None:
        self.pay([branch.rest() for branch in branches if not branch.finished])

    def pay(self, costs: list[int]) -> None:
        """Add the cost of one call, whose branches run in parallel."""
        self.tokens += sum(costs)
        self.sequential += max(costs, default=0)
