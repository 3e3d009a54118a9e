"""One episode as its trace tells it: what was seen, spent, pruned and answered.

Stories hold answers as they are spelt, right or wrong, and never leave the host; what is made of them does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from envdata.actions import Op
from envdata.answers import is_parsed

COLUMNS = ["question", "call", "action", "branch", "finished", "answer", "cost", "tokens", "note"]


@dataclass
class Story:
    """One episode."""

    latest: dict[int, str] = field(default_factory=dict)
    """The latest answer of each branch."""
    opened: set[int] = field(default_factory=set)
    finished: set[int] = field(default_factory=set)
    pruned: dict[int, str | None] = field(default_factory=dict)
    """What pruned branches had answered last."""
    seen: set[str] = field(default_factory=set)
    led: set[str] = field(default_factory=set)
    """Answers that had more votes than any other at some time."""
    leader: str | None = None
    changed_at: int = 0
    """Tokens spent when the leader last changed."""
    tokens: int = 0
    spent: dict[str, int] = field(default_factory=dict)
    """Tokens by action."""
    spent_on: dict[int, int] = field(default_factory=dict)
    """Tokens by branch."""
    answer: str | None = None
    failed: bool = False
    last_note: str | None = None
    """The controller's last remark."""

    @property
    def after_change(self) -> float:
        """The share of the tokens that were spent after the leading answer last changed, without new information."""
        return (self.tokens - self.changed_at) / self.tokens if self.tokens else 0.0


Key = tuple[str, float | None, int]
"""Grid, β, question."""


def stories(traces: pa.Table, label: str) -> Iterator[tuple[Key, Story]]:
    """The traced episodes of a candidate, in the order of a table of `sandbox.evaluate.TRACES`."""
    own = traces.filter(pc.equal(traces.column("controller"), label))
    # One grid and β at a time: a trace has a row for every step of every branch, and every cell becomes an object here.
    for grid in own.column("grid").unique().to_pylist():
        of_grid = own.filter(pc.equal(own.column("grid"), grid))
        for beta in of_grid.column("beta").unique().to_pylist():
            column = of_grid.column("beta")
            here = of_grid.filter(pc.is_null(column) if beta is None else pc.equal(column, beta))
            rows = here.select(COLUMNS).to_pydict()
            for question, episode in groupby(range(here.num_rows), key=rows["question"].__getitem__):
                yield (grid, beta, question), _story(rows, list(episode))


def _story(rows: dict[str, list[Any]], indices: Sequence[int]) -> Story:
    story = Story()
    counts: dict[str, int] = {}
    for _, call in groupby(indices, key=lambda i: (rows["call"][i], rows["action"][i])):
        for i in call:
            _add(story, counts, {name: rows[name][i] for name in COLUMNS})
        leader = max(counts, key=counts.__getitem__, default=None)
        if leader is None:
            continue
        ahead = sum(votes == counts[leader] for votes in counts.values()) == 1
        if ahead:
            story.led.add(leader)
        # The one that leads goes on leading until another has more votes.
        if counts[leader] > counts.get(story.leader or "", 0):
            story.leader, story.changed_at = leader, story.tokens
    return story


def _add(story: Story, counts: dict[str, int], row: dict[str, Any]) -> None:
    action, answer, branch = row["action"], row["answer"], row["branch"]
    story.tokens = row["tokens"]
    if action == Op.PRUNE.name:
        _drop(counts, story.latest.get(branch))
        story.pruned[branch] = story.latest.get(branch)
    elif action == Op.ANSWER.name:
        story.answer = answer
    elif action == Op.FAIL.name:
        story.failed = True
    elif action == Op.NOTE.name:
        story.last_note = row["note"]
    else:
        story.opened.add(branch)
        story.spent[action] = story.spent.get(action, 0) + row["cost"]
        story.spent_on[branch] = story.spent_on.get(branch, 0) + row["cost"]
        if row["finished"]:
            story.finished.add(branch)
        if answer is not None:
            story.seen.add(answer)
            _drop(counts, story.latest.get(branch))
            story.latest[branch] = answer
            if is_parsed(answer):
                counts[answer] = counts.get(answer, 0) + 1


def _drop(counts: dict[str, int], answer: str | None) -> None:
    if answer is not None and counts.get(answer):
        counts[answer] -= 1
