"""Adaptive self-consistency: read branches one by one until the vote is clear (arXiv 2305.11860).

When it is, votes alone say; so they are written down beforehand, and all reads are asked for in one call.
"""

from functools import lru_cache

from sandbox.tts import Answer, Controller, Episode, confidence, majority


class AdaptiveSelfConsistency(Controller):
    """Stops as soon as the leading answer beats the second with enough confidence."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Up to 1 branch at β = 0, up to 64 at β = 1, evenly in the logarithm."""
        return {"max_branches": round(64**beta), "threshold": 0.95}

    def solve(self, episode: Episode) -> Answer | None:
        """Read, vote, and stop or read on."""
        most = min(self.knobs["max_branches"], episode.open_slots)
        branches = episode.read_until(most, votes_needed(self.knobs["threshold"], most))
        return majority(branch.answer for branch in branches)


@lru_cache
def votes_needed(threshold: float, most: int) -> list[int]:
    """Votes with which an answer leads with more confidence than `threshold`, by the votes of the second.

    Of `most` votes in all, and of two at least: one answer alone says nothing.
    """
    needed: list[int] = []
    votes = 1
    for second in range(most):
        votes = max(votes, second)
        while votes + second <= most and confidence(votes, second) <= threshold:
            votes += 1
        if votes + second > most:
            break
        needed.append(votes)
    return [max(2, votes) for votes in needed[:1]] + needed[1:]
