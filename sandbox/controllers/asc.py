"""Adaptive self-consistency: read branches one by one until the vote is clear (arXiv 2305.11860).

How many more reads it takes at least is known beforehand; so many are asked for in one call, one after the other still.
"""

from sandbox.tts import Answer, Controller, Episode, Poll, Tally, confidence


class AdaptiveSelfConsistency(Controller):
    """Stops as soon as the leading answer beats the second with enough confidence."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Up to 1 branch at β = 0, up to 64 at β = 1, evenly in the logarithm."""
        return {"max_branches": round(64**beta), "threshold": 0.95}

    def solve(self, episode: Episode) -> Answer | None:
        """Read, vote, and stop or read on."""
        vote = Tally()
        left = min(self.knobs["max_branches"], episode.open_slots)
        while left:
            branches = episode.read(self._needed(vote.poll(), left), in_turn=True)
            vote.add([branch.answer for branch in branches])
            left -= len(branches)
            if len(episode.branches) > 1 and vote.poll().confidence > self.knobs["threshold"]:
                break
        return vote.poll().winner

    def _needed(self, standing: Poll, left: int) -> int:
        """The least number of reads after which the vote can be clear: if all of them are for the leader."""
        for more in range(1, left):
            votes = standing.votes + more
            if votes + standing.runner_up > 1 and confidence(votes, standing.runner_up) > self.knobs["threshold"]:
                return more
        return left
