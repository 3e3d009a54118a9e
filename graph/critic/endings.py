"""How episodes ended, as the trace shows it and as controllers say it in their last remark."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from graph.critic.stories import Story
from sandbox.quoting import quoted

SHOWN = 5
MAX_NOTE = 80
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

ENDS = {
    "all_read": "nothing was left to read of the branches it had opened",
    "stopped": "it stopped with branches that could go on",
    "no_answer": "it gave no answer",
    "failed": "it failed",
}
"""What the trace says of an end."""


@dataclass(frozen=True)
class Stop:
    """Episodes that ended in the same way."""

    end: str
    """Of `ENDS`."""
    said: str | None
    """The controller's last remark with its numbers left out, quoted; commentary, and nothing more."""
    episodes: int
    right: int
    tokens: float
    """Their mean tokens."""


def stops(told: Sequence[tuple[Story, bool]]) -> list[Stop]:
    """The ways in which episodes ended, each with whether it was right; the most frequent ones."""
    groups: dict[tuple[str, str | None], list[tuple[Story, bool]]] = {}
    for story, right in told:
        groups.setdefault((_end(story), _said(story)), []).append((story, right))
    found = [
        Stop(
            end,
            said,
            episodes=len(members),
            right=sum(right for _, right in members),
            tokens=round(sum(story.tokens for story, _ in members) / len(members), 1),
        )
        for (end, said), members in groups.items()
    ]
    return sorted(found, key=lambda stop: -stop.episodes)[:SHOWN]


def _end(story: Story) -> str:
    if story.failed:
        return "failed"
    if story.answer is None:
        return "no_answer"
    return "all_read" if story.opened <= story.finished | story.pruned.keys() else "stopped"


def _said(story: Story) -> str | None:
    if not story.last_note:
        return None
    return quoted(_NUMBER.sub("…", story.last_note[:400]), MAX_NOTE) or None
