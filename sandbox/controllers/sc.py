"""Self-consistency: read n branches whole, and vote (arXiv 2203.11171)."""

from sandbox.tts import Answer, Controller, Episode, majority


class SelfConsistency(Controller):
    """Width alone: every branch is read to its end."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """1 branch at β = 0, 64 at β = 1, evenly in the logarithm."""
        return {"branches": round(64**beta)}

    def solve(self, episode: Episode) -> Answer | None:
        """Vote among the final answers."""
        branches = episode.read(min(self.knobs["branches"], episode.open_slots))
        return majority(branch.answer for branch in branches)
