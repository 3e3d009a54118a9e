"""Summaries of traced episodes: answers seen, tokens spent, branches pruned, final answer.

Summaries hold the spelling of answers, so they never leave the host; figures made from them do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.actions import Op
from envdata.answers import is_parsed

COLUMNS = ["question", "call", "action", "branch", "finished", "answer", "cost", "tokens", "note"]
# Names once: looking one up in an enumeration takes as long as the rest of a row.
PRUNE, ANSWER, FAIL, NOTE = Op.PRUNE.name, Op.ANSWER.name, Op.FAIL.name, Op.NOTE.name
Row = tuple[Any, ...]
"""One row of a trace: the values of `COLUMNS`."""


@dataclass
class EpisodeSummary:
    """Summary of one traced episode. Branches are numbered in the order in which the episode opened them."""

    latest: dict[int, str] = field(default_factory=dict)
    """Latest answer of each branch that is not pruned or was answered before."""
    opened: set[int] = field(default_factory=set)
    finished: set[int] = field(default_factory=set)
    pruned: dict[int, str | None] = field(default_factory=dict)
    """Last answer of each pruned branch."""
    seen: set[str] = field(default_factory=set)
    """All answers revealed."""
    led: set[str] = field(default_factory=set)
    """Answers that had more votes than any other at some time."""
    leader: str | None = None
    """Leading answer at the end."""
    changed_at: int = 0
    """Tokens spent when the leader last changed."""
    tokens: int = 0
    """Tokens spent in all."""
    spent: dict[str, int] = field(default_factory=dict)
    """Tokens by action."""
    spent_on: dict[int, int] = field(default_factory=dict)
    """Tokens by branch."""
    answer: str | None = None
    """Final answer; None if the episode gave none."""
    failed: bool = False
    calls: int = 0
    """Number of calls: actions taken at once count as one."""
    last_note: str | None = None
    """The controller's last note."""

    @property
    def after_change(self) -> float:
        """Share of the tokens that were spent after the leading answer last changed."""
        return (self.tokens - self.changed_at) / self.tokens if self.tokens else 0.0


Key = tuple[str, float | None, int]
"""Path of the grid, β, number of the question."""


def episode_summaries(traces: pa.Table, label: str) -> Iterator[tuple[Key, EpisodeSummary]]:
    """Yield the summaries of a controller's traced episodes, in the order of the table.

    Args:
        traces: Table with the schema `sandbox.evaluate.TRACES`, of one repeat.
        label: The controller.
    """
    own = traces.filter(pc.equal(traces.column("controller"), label))
    # One grid and β at a time bounds memory: every cell becomes a Python object here.
    for (grid, beta), here in traces_by_point(own):
        for question, summary in summaries_by_question(here):
            yield (grid, beta, question), summary


def traces_by_point(traces: pa.Table) -> Iterator[tuple[tuple[str, float | None], pa.Table]]:
    """Yield the rows of each grid and β of one controller's traces, in the order of the grids' and βs' first rows."""
    codes, values = [], []
    for name in ("grid", "beta"):
        known = traces.column(name).unique()
        codes.append(pc.index_in(traces.column(name), known).to_numpy().astype(np.int64))
        values.append(known.to_pylist())
    (grids, betas), (of_grid, of_beta) = values, codes
    point = of_grid * len(betas) + of_beta
    for code in np.unique(point).tolist():
        rows = np.flatnonzero(point == code)
        # As written by runs, the rows of a point follow one another.
        whole = len(rows) == rows[-1] - rows[0] + 1
        here = traces.slice(int(rows[0]), len(rows)) if whole else traces.take(pa.array(rows))
        yield (grids[code // len(betas)], betas[code % len(betas)]), here


def summaries_by_question(traces: pa.Table) -> Iterator[tuple[int, EpisodeSummary]]:
    """Yield the number of the question and the summary of each episode of one controller on one grid at one β."""
    columns = traces.select(COLUMNS).to_pydict()
    rows: Iterator[Row] = zip(*columns.values(), strict=True)
    for question, episode in groupby(rows, key=itemgetter(0)):
        yield question, _summarise(episode)


def _summarise(rows: Iterable[Row]) -> EpisodeSummary:
    summary = EpisodeSummary()
    counts: dict[str, int] = {}
    for (number, _), call in groupby(rows, key=itemgetter(1, 2)):
        summary.calls = number
        for row in call:
            _add(summary, counts, row)
        leader = max(counts, key=counts.__getitem__, default=None)
        if leader is None:
            continue
        if list(counts.values()).count(counts[leader]) == 1:
            summary.led.add(leader)
        # A leader stays the leader until another answer has more votes.
        if counts[leader] > counts.get(summary.leader or "", 0):
            summary.leader, summary.changed_at = leader, summary.tokens
    return summary


def _add(summary: EpisodeSummary, counts: dict[str, int], row: Row) -> None:
    _, _, action, branch, finished, answer, cost, summary.tokens, note = row
    if action == PRUNE:
        _drop(counts, summary.latest.get(branch))
        summary.pruned[branch] = summary.latest.get(branch)
    elif action == ANSWER:
        summary.answer = answer
    elif action == FAIL:
        summary.failed = True
    elif action == NOTE:
        summary.last_note = note
    else:
        summary.opened.add(branch)
        summary.spent[action] = summary.spent.get(action, 0) + cost
        summary.spent_on[branch] = summary.spent_on.get(branch, 0) + cost
        if finished:
            summary.finished.add(branch)
        if answer is not None:
            summary.seen.add(answer)
            _drop(counts, summary.latest.get(branch))
            summary.latest[branch] = answer
            if is_parsed(answer):
                counts[answer] = counts.get(answer, 0) + 1


def _drop(counts: dict[str, int], answer: str | None) -> None:
    if answer is not None and counts.get(answer):
        counts[answer] -= 1
