"""Why episodes failed, from the traces of the host: the kinds of failure, counted.

Answers are compared with the gold answers here, on the host. What comes out are counts and question numbers: no answer,
right or wrong, is spelt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from envdata.actions import Op
from envdata.answers import is_parsed

CONSENSUS = 0.8
"""Share of the latest answers that is a consensus."""
EXAMPLES = 6

KINDS = {
    "right_majority": "wrong, although most branches were right",
    "right_pruned": "wrong, after a branch with the right answer was pruned",
    "early_consensus": "wrong, with the branches agreeing and room for more of them",
    "never_seen": "wrong, and no branch ever showed the right answer",
    "outvoted": "wrong, although the right answer was among those seen",
}
"""What each kind means. A wrong episode is counted under every kind that fits, `outvoted` only where no other does."""


@dataclass(frozen=True)
class Digest:
    """The episodes of one candidate at one β, repeat 0 of all search grids."""

    beta: float | None
    episodes: int
    wrong: int
    kinds: Mapping[str, int]
    """Counts by kind (`KINDS`)."""
    examples: Mapping[str, Sequence[str]]
    """Some questions of each kind, as grid/question, both from 0."""
    idle: float
    """Mean share of the tokens that were spent after the last change of the leading answer: without new information."""


@dataclass
class _Story:
    """One episode, as its trace tells it."""

    latest: dict[int, str] = field(default_factory=dict)
    """The latest answer of each branch."""
    pruned: list[str] = field(default_factory=list)
    """What pruned branches had answered."""
    seen: set[str] = field(default_factory=set)
    leader: str | None = None
    changed_at: int = 0
    """Tokens spent when the leader last changed."""
    tokens: int = 0
    branches: int = 0
    answer: str | None = None


def digests(traces: pa.Table, label: str, gold: Mapping[str, Sequence[str]], ceiling: int) -> list[Digest]:
    """One digest for each β that was traced; `gold` has each grid's gold answers, `ceiling` the branches allowed."""
    own = traces.filter(pc.equal(traces.column("controller"), label))
    places = {grid: place for place, grid in enumerate(gold)}
    columns = ["grid", "beta", "question", "call", "action", "branch", "answer", "tokens"]
    rows = own.select(columns).to_pydict()
    by_beta: dict[float | None, list[tuple[str, int, _Story]]] = {}
    for grid, beta, question, story in _stories(rows):
        by_beta.setdefault(beta, []).append((grid, question, story))
    found = []
    for beta in sorted(by_beta, key=lambda value: -1.0 if value is None else value):
        stories = by_beta[beta]
        kinds = dict.fromkeys(KINDS, 0)
        examples: dict[str, list[str]] = {kind: [] for kind in KINDS}
        wrong = 0
        for grid, question, story in stories:
            right = gold[grid][question]
            if story.answer == right:
                continue
            wrong += 1
            for kind in _kinds(story, right, ceiling):
                kinds[kind] += 1
                if len(examples[kind]) < EXAMPLES:
                    examples[kind].append(f"{places[grid]}/{question}")
        idle = [(story.tokens - story.changed_at) / story.tokens for _, _, story in stories if story.tokens]
        mean_idle = sum(idle) / len(idle) if idle else 0.0
        found.append(Digest(beta, len(stories), wrong, kinds, examples, round(mean_idle, 4)))
    return found


def _kinds(story: _Story, right: str, ceiling: int) -> Iterator[str]:
    answers = list(story.latest.values())
    before = True
    if answers and answers.count(right) * 2 > len(answers):
        before = False
        yield "right_majority"
    if right in story.pruned:
        before = False
        yield "right_pruned"
    agreed = story.answer is not None and answers.count(story.answer) >= CONSENSUS * len(answers)
    if agreed and 1 < len(answers) < ceiling:
        before = False
        yield "early_consensus"
    if right not in story.seen:
        before = False
        yield "never_seen"
    if before:
        yield "outvoted"


def _stories(rows: dict[str, list[Any]]) -> Iterator[tuple[str, float | None, int, _Story]]:
    indices = range(len(rows["question"]))
    for key, episode in groupby(indices, key=lambda i: (rows["grid"][i], rows["beta"][i], rows["question"][i])):
        yield *key, _story(rows, list(episode))


def _story(rows: dict[str, list[Any]], indices: Sequence[int]) -> _Story:
    story = _Story()
    counts: dict[str, int] = {}
    for _, call in groupby(indices, key=lambda i: (rows["call"][i], rows["action"][i])):
        for i in call:
            action, answer = rows["action"][i], rows["answer"][i]
            story.tokens = rows["tokens"][i]
            if action == Op.PRUNE.name:
                _drop(counts, story.latest.get(rows["branch"][i]))
                story.pruned.append(story.latest.get(rows["branch"][i], ""))
            elif action == Op.ANSWER.name:
                story.answer = answer
            elif action != Op.NOTE.name and action != Op.FAIL.name:
                branch = rows["branch"][i]
                if answer is not None:
                    story.seen.add(answer)
                    _drop(counts, story.latest.get(branch))
                    story.latest[branch] = answer
                    if is_parsed(answer):
                        counts[answer] = counts.get(answer, 0) + 1
        leader = max(counts, key=counts.__getitem__, default=None)
        # The one that leads goes on leading until another has more votes.
        if leader is not None and counts[leader] > counts.get(story.leader or "", 0):
            story.leader, story.changed_at = leader, story.tokens
    story.branches = len(story.latest)
    return story


def _drop(counts: dict[str, int], answer: str | None) -> None:
    if answer is not None and counts.get(answer):
        counts[answer] -= 1
