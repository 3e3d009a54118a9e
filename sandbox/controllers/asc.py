"""Adaptive self-consistency: read branches one by one until the vote is clear (arXiv 2305.11860)."""

from sandbox.tts import Answer, Controller, Episode, poll


class AdaptiveSelfConsistency(Controller):
    """Stops as soon as the leading answer beats the second with enough confidence."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Up to 1 branch at β = 0, up to 64 at β = 1, evenly in the logarithm."""
        return {"max_branches": round(64**beta), "threshold": 0.95}

    def solve(self, episode: Episode) -> Answer | None:
        """Read, vote, and stop or read on."""
        answers: list[Answer | None] = []
        for _ in range(min(self.knobs["max_branches"], episode.open_slots)):
            (branch,) = episode.read()
            answers.append(branch.answer)
            if len(answers) > 1 and poll(answers).confidence > self.knobs["threshold"]:
                break
        return poll(answers).winner
