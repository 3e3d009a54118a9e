"""Adaptive self-consistency: read branches one by one until the vote is clear (arXiv 2305.11860)."""

from sandbox.tts import Answer, Controller, Episode, Tally


class AdaptiveSelfConsistency(Controller):
    """Stops as soon as the leading answer beats the second with enough confidence."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Up to 1 branch at β = 0, up to 64 at β = 1, evenly in the logarithm."""
        return {"max_branches": round(64**beta), "threshold": 0.95}

    def solve(self, episode: Episode) -> Answer | None:
        """Read, vote, and stop or read on."""
        vote = Tally()
        for reads in range(1, 1 + min(self.knobs["max_branches"], episode.open_slots)):
            (branch,) = episode.read()
            vote.add([branch.answer])
            if reads > 1 and vote.poll().confidence > self.knobs["threshold"]:
                break
        return vote.poll().winner
