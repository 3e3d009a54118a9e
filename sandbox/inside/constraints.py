"""Applies a user's constraints to a controller's `solve` (see `sandbox.constraints`)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sandbox import tts


def solve(controller: tts.Controller, episode: tts.Episode, constraints: Mapping[str, Any]) -> tts.Answer | None:
    """Let the controller solve an episode under the constraints, and return the answer.

    Args:
        controller: The controller.
        episode: The episode.
        constraints: `answer_at_limit`: a BudgetExceeded that the controller does not catch ends the episode with the
            majority of the latest answers. `min_branches`: missing branches are decoded to their ends, as many as the
            budget allows, and the latest answers of all branches that were not pruned vote; the controller's answer
            wins ties.

    Raises:
        Exception: Whatever the controller raises.
    """
    try:
        answer = controller.solve(episode)
    except tts.BudgetExceeded:
        if not constraints.get("answer_at_limit"):
            raise
        episode.note("constraint: stopped at the limit of tokens")
        answer = _vote(episode, None)
    missing = constraints.get("min_branches", 0) - len(episode.branches)
    # A return value that is no answer is the controller's mistake, and is reported as one.
    if missing > 0 and (answer is None or type(answer) is tts.Answer) and _widen(episode, missing):
        answer = _vote(episode, answer)
    return answer


def _widen(episode: tts.Episode, missing: int) -> int:
    """Decode up to `missing` more branches to their ends; return how many the budget allowed."""
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
    # Ties go to the answer met first.
    return max(votes, key=votes.__getitem__)
