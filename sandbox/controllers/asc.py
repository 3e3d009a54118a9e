"""Adaptive self-consistency: read branches one by one until the vote is clear (arXiv 2305.11860)."""

from collections import Counter

from autotts import Answer, Controller, Episode, confidence


class AdaptiveSelfConsistency(Controller):
    """Stops as soon as the leading answer beats the second with enough confidence."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: up to 1 branch at β = 0, up to 64 at β = 1, linear in the logarithm."""
        return {"max_branches": round(64**beta), "threshold": 0.95}

    def solve(self, episode: Episode) -> Answer | None:
        """Read branches one by one until the vote is clear."""
        votes = Counter[Answer | None]()
        winner = None
        for n in range(1, min(self.knobs["max_branches"], episode.open_slots) + 1):
            votes.update(branch.answer for branch in episode.read())
            (winner, first), (_, second) = [*votes.most_common(2), (None, 0)][:2]
            if n > 1 and confidence(first, second) > self.knobs["threshold"]:
                break
        return winner
