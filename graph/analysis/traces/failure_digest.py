"""Failure digests: counts of the kinds of failure, and of spending, in traced episodes.

Answers are compared with the gold answers here, on the host. A digest holds counts only; no answer, right or
wrong, is spelt in it, and no question is named.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from graph.analysis.traces.endings import Ending, count_endings
from graph.analysis.traces.episode_summary import EpisodeSummary, episode_summaries
from graph.analysis.traces.gold import ReferenceAnswers

CONSENSUS = 0.8
"""Share of the branches' latest answers from which they are a consensus."""
OVERSPENT = 0.5
"""Share of the tokens after the last change of the leading answer from which a right episode is overspent."""

FAILURE_KINDS = {
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
"""Kinds of failure, with their meanings. A wrong episode counts under every kind that fits, `outvoted` if none does."""


@dataclass(frozen=True)
class FailureDigest:
    """Counts of failures and spending over the episodes of one candidate at one β, repeat 0 of all search grids."""

    beta: float | None
    """None for a candidate that ignores β."""
    episodes: int
    """Number of episodes."""
    wrong: int
    """Number of wrong episodes."""
    kinds: Mapping[str, int]
    """Number of episodes of each kind (`FAILURE_KINDS`)."""
    idle: float
    """Mean share of an episode's tokens after the last change of its leading answer."""
    spending: Mapping[str, float] = field(default_factory=dict)
    """Share of all tokens by action."""
    on_pruned: float = 0.0
    """Share of all tokens that were spent on branches pruned later."""
    width: float = 0.0
    """Mean number of branches opened."""
    read: float = 0.0
    """Mean share of the opened branches that were read to their ends."""
    stops: Sequence[Ending] = ()
    """Endings of the episodes, most frequent first."""
    lost: Sequence[tuple[int, int]] = ()
    """For each grid, the number of wrong episodes in which no branch showed the right answer, and of all wrong ones."""
    calls: float = 0.0
    """Mean number of calls an episode."""


def failure_digests(
    traces: pa.Table, label: str, answers: Mapping[str, ReferenceAnswers], ceiling: int
) -> list[FailureDigest]:
    """Return one digest for each traced β, in ascending order.

    Args:
        traces: Table with the schema `sandbox.evaluate.TRACES`, of one repeat.
        label: The candidate.
        answers: Reference answers of the same repeat, by the grid's path.
        ceiling: Number of branches that an episode may open.
    """
    places = {grid: place for place, grid in enumerate(answers)}
    by_beta: dict[float | None, list[tuple[str, int, EpisodeSummary]]] = {}
    for (grid, beta, question), summary in episode_summaries(traces, label):
        by_beta.setdefault(beta, []).append((grid, question, summary))
    digests = []
    for beta in sorted(by_beta, key=lambda value: -1.0 if value is None else value):
        episodes = by_beta[beta]
        kinds: Counter[str] = Counter()
        lost = [[0, 0] for _ in places]
        for grid, question, summary in episodes:
            for kind in failure_kinds(summary, answers[grid], question, ceiling):
                kinds[kind] += 1
                lost[places[grid]][0] += kind == "never_seen"
            lost[places[grid]][1] += summary.answer != answers[grid].gold[question]
        right = [summary.answer == answers[grid].gold[question] for grid, question, summary in episodes]
        own = [summary for _, _, summary in episodes]
        total = sum(summary.tokens for summary in own)
        digests.append(
            FailureDigest(
                beta,
                episodes=len(episodes),
                wrong=len(episodes) - sum(right),
                kinds={kind: kinds[kind] for kind in FAILURE_KINDS},
                idle=_mean([summary.after_change for summary in own if summary.tokens]),
                spending=_by_action(own, total),
                on_pruned=round(sum(map(_on_pruned, own)) / total, 4) if total else 0.0,
                width=_mean([len(summary.opened) for summary in own]),
                read=_mean([len(summary.finished) / len(summary.opened) for summary in own if summary.opened]),
                stops=count_endings(list(zip(own, right, strict=True))),
                lost=[(unseen, wrong) for unseen, wrong in lost],
                calls=_mean([summary.calls for summary in own]),
            )
        )
    return digests


def failure_kinds(summary: EpisodeSummary, reference: ReferenceAnswers, question: int, ceiling: int) -> Iterator[str]:
    """Yield the kinds (`FAILURE_KINDS`) of one episode; none for a right one that is not overspent.

    Args:
        summary: The episode.
        reference: Reference answers of its grid and repeat.
        question: Number of the question.
        ceiling: Number of branches that an episode may open.
    """
    right = reference.gold[question]
    if summary.answer == right:
        if summary.after_change > OVERSPENT and len(summary.opened) > 1:
            yield "overspent"
        return
    answers = list(summary.latest.values())
    kinds = []
    if answers and answers.count(right) * 2 > len(answers):
        kinds.append("right_majority")
    if right in summary.pruned.values():
        kinds.append("right_pruned")
    agreed = summary.answer is not None and answers.count(summary.answer) >= CONSENSUS * len(answers)
    if agreed and 1 < len(answers) < ceiling:
        kinds.append("early_consensus")
    if right in summary.led:
        kinds.append("right_led")
    if len(summary.finished) < len(summary.opened) and reference.vote_of_first(question, len(summary.opened)) == right:
        kinds.append("stopped_short")
    elif len(summary.opened) < len(reference.finals[question]) and reference.vote_of_first(question, ceiling) == right:
        kinds.append("too_narrow")
    if right not in summary.seen:
        kinds.append("never_seen")
    yield from kinds or ["outvoted"]


def _by_action(episodes: Sequence[EpisodeSummary], total: int) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for summary in episodes:
        spent.update(summary.spent)
    return {action: round(tokens / total, 4) for action, tokens in spent.most_common() if tokens}


def _on_pruned(summary: EpisodeSummary) -> int:
    return sum(summary.spent_on.get(branch, 0) for branch in summary.pruned)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
