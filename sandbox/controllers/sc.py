"""Self-consistency: decode n branches to their ends, and vote (arXiv 2203.11171)."""

from autotts import Answer, Controller, Episode, majority


class SelfConsistency(Controller):
    """Width alone: every branch is decoded to its end."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the number of branches: 1 at β = 0, 64 at β = 1, linear in the logarithm."""
        return {"branches": round(64**beta)}

    def solve(self, episode: Episode) -> Answer | None:
        """Return the majority of the final answers."""
        branches = episode.read(min(self.knobs["branches"], episode.open_slots))
        return majority(branch.answer for branch in branches)
