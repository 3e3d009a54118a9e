"""Why episodes failed and what they were spent on, from the traces of the host: kinds of failure and spending, counted.

Answers are compared with the gold answers here, on the host. What comes out are counts and question numbers: no answer,
right or wrong, is spelt.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from graph.critic.endings import Stop, stops
from graph.critic.recorded import Recorded
from graph.critic.stories import Story, stories

CONSENSUS = 0.8
"""Share of the latest answers that is a consensus."""
EXAMPLES = 6
OVERSPENT = 0.5
"""Share of the tokens after the last change of the leading answer from which a right episode spent too long."""

KINDS = {
    "right_majority": "wrong, although most branches were right",
    "right_pruned": "wrong, after a branch with the right answer was pruned",
    "early_consensus": "wrong, with the branches agreeing and room for more of them",
    "right_led": "wrong, although the right answer led the vote at some time: it was given away",
    "stopped_short": "wrong, although the branches it opened, read to their ends, would have voted right",
    "too_narrow": "wrong, although all branches that there are would have voted right",
    "never_seen": "wrong, and no branch ever showed the right answer",
    "outvoted": "wrong, although the right answer was among those seen",
    "overspent": "right, with most of the tokens spent after the leading answer last changed",
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
    spending: Mapping[str, float] = field(default_factory=dict)
    """The share of all tokens that each action took."""
    on_pruned: float = 0.0
    """The share of all tokens that went into branches that were pruned."""
    width: float = 0.0
    """Mean branches opened."""
    read: float = 0.0
    """The share of the opened branches that were followed to their ends."""
    stops: Sequence[Stop] = ()
    """How episodes ended, the most frequent way first."""


def digests(traces: pa.Table, label: str, recorded: Mapping[str, Recorded], ceiling: int) -> list[Digest]:
    """One digest for each β that was traced; `recorded` by grid, `ceiling` the branches allowed."""
    places = {grid: place for place, grid in enumerate(recorded)}
    by_beta: dict[float | None, list[tuple[str, int, Story]]] = {}
    for (grid, beta, question), story in stories(traces, label):
        by_beta.setdefault(beta, []).append((grid, question, story))
    found = []
    for beta in sorted(by_beta, key=lambda value: -1.0 if value is None else value):
        told = by_beta[beta]
        kinds: Counter[str] = Counter()
        examples: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for grid, question, story in told:
            for kind in kinds_of(story, recorded[grid], question, ceiling):
                kinds[kind] += 1
                if len(examples[kind]) < EXAMPLES:
                    examples[kind].append(f"{places[grid]}/{question}")
        right = [story.answer == recorded[grid].gold[question] for grid, question, story in told]
        own = [story for _, _, story in told]
        total = sum(story.tokens for story in own)
        found.append(
            Digest(
                beta,
                episodes=len(told),
                wrong=len(told) - sum(right),
                kinds={kind: kinds[kind] for kind in KINDS},
                examples=examples,
                idle=_mean([story.after_change for story in own if story.tokens]),
                spending=_by_action(own, total),
                on_pruned=round(sum(map(_on_pruned, own)) / total, 4) if total else 0.0,
                width=_mean([len(story.opened) for story in own]),
                read=_mean([len(story.finished) / len(story.opened) for story in own if story.opened]),
                stops=stops(list(zip(own, right, strict=True))),
            )
        )
    return found


def kinds_of(story: Story, recorded: Recorded, question: int, ceiling: int) -> Iterator[str]:
    """The kinds (`KINDS`) that one episode is counted under; none for one that is right and did not overspend."""
    right = recorded.gold[question]
    if story.answer == right:
        if story.after_change > OVERSPENT and len(story.opened) > 1:
            yield "overspent"
        return
    answers = list(story.latest.values())
    found = []
    if answers and answers.count(right) * 2 > len(answers):
        found.append("right_majority")
    if right in story.pruned.values():
        found.append("right_pruned")
    agreed = story.answer is not None and answers.count(story.answer) >= CONSENSUS * len(answers)
    if agreed and 1 < len(answers) < ceiling:
        found.append("early_consensus")
    if right in story.led:
        found.append("right_led")
    if len(story.finished) < len(story.opened) and recorded.would_vote(question, len(story.opened)) == right:
        found.append("stopped_short")
    elif len(story.opened) < len(recorded.finals[question]) and recorded.would_vote(question, ceiling) == right:
        found.append("too_narrow")
    if right not in story.seen:
        found.append("never_seen")
    yield from found or ["outvoted"]


def _by_action(told: Sequence[Story], total: int) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for story in told:
        spent.update(story.spent)
    return {action: round(tokens / total, 4) for action, tokens in spent.most_common() if tokens}


def _on_pruned(story: Story) -> int:
    return sum(story.spent_on.get(branch, 0) for branch in story.pruned)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
