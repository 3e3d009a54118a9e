"""Keeps a user's constraints around a controller's `solve`: see `sandbox.constraints`."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sandbox import tts


def solve(controller: tts.Controller, episode: tts.Episode, constraints: Mapping[str, Any]) -> tts.Answer | None:
    """What the controller answers, made to fit the constraints; raises what it raises.

    With `answer_at_limit` an error about the budget that the controller lets through ends the episode with the vote of
    what was seen. With fewer branches than `min_branches` the missing ones are read to their ends, as many as fit the
    budget, and the latest answers of all branches that were not pruned vote; the controller's answer wins ties.
    """
    try:
        answer = controller.solve(episode)
    except tts.BudgetExceeded:
        if not constraints.get("answer_at_limit"):
            raise
        episode.note("constraint: stopped at the limit of tokens")
        answer = _vote(episode, None)
    missing = constraints.get("min_branches", 0) - len(episode.branches)
    # What is no answer at all is the controller's mistake, and stays one.
    if missing > 0 and (answer is None or type(answer) is tts.Answer) and _widen(episode, missing):
        answer = _vote(episode, answer)
    return answer


def _widen(episode: tts.Episode, missing: int) -> int:
    """Read up to `missing` more branches; returns how many there was room for."""
    wanted = min(missing, episode.open_slots)
    opened = 0
    while wanted > 0:
        try:
            opened += len(episode.read(wanted))
        except tts.BudgetExceeded:
            wanted //= 2
        else:
            wanted = min(missing - opened, episode.open_slots, wanted)
    if opened:
        episode.note(f"constraint: {opened} more branches read")
    return opened


def _vote(episode: tts.Episode, answer: tts.Answer | None) -> tts.Answer | None:
    votes = Counter(
        branch.answer
        for branch in episode.branches
        if not branch.pruned and branch.answer is not None and branch.answer.parsed
    )
    most = max(votes.values(), default=0)
    if not votes or (answer is not None and votes[answer] == most):
        return answer
    # The first met of equals.
    return max(votes, key=votes.__getitem__)
