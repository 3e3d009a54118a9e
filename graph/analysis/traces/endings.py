"""Endings of episodes, by the trace and by the controller's last note."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from graph.analysis.traces.episode_summary import EpisodeSummary
from sandbox.sanitize import quoted

SHOWN = 5
MAX_NOTE = 80
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

ENDINGS = {
    "all_read": "nothing was left to read of the branches it had opened",
    "stopped": "it stopped with branches that could go on",
    "no_answer": "it gave no answer",
    "failed": "it failed",
}
"""Kinds of endings, each with its meaning."""


@dataclass(frozen=True)
class Ending:
    """Group of episodes with the same ending."""

    end: str
    """Key of `ENDINGS`."""
    said: str | None
    """The controller's last note without its numbers, quoted. It is commentary only."""
    episodes: int
    """Number of episodes."""
    right: int
    """Number of right answers among them."""
    tokens: float
    """Mean tokens an episode."""


def count_endings(episodes: Sequence[tuple[EpisodeSummary, bool]]) -> list[Ending]:
    """Return the `SHOWN` most frequent endings, most frequent first.

    Args:
        episodes: Each episode's summary, and whether its answer is right.
    """
    groups: dict[tuple[str, str | None], list[tuple[EpisodeSummary, bool]]] = {}
    for summary, right in episodes:
        groups.setdefault((_end(summary), _note(summary)), []).append((summary, right))
    endings = [
        Ending(
            end,
            note,
            episodes=len(members),
            right=sum(right for _, right in members),
            tokens=round(sum(summary.tokens for summary, _ in members) / len(members), 1),
        )
        for (end, note), members in groups.items()
    ]
    return sorted(endings, key=lambda ending: -ending.episodes)[:SHOWN]


def _end(summary: EpisodeSummary) -> str:
    if summary.failed:
        return "failed"
    if summary.answer is None:
        return "no_answer"
    return "all_read" if summary.opened <= summary.finished | summary.pruned.keys() else "stopped"


def _note(summary: EpisodeSummary) -> str | None:
    if not summary.last_note:
        return None
    return quoted(_NUMBER.sub("…", summary.last_note[:400]), MAX_NOTE) or None
