"""ST-BoN: start n branches, keep the one that agrees with the others early, finish it alone (arXiv 2503.01422)."""

from autotts import Answer, Controller, Episode, majority


class SelfTruncatingBestOfN(Controller):
    """Chooses a branch by its answer at a prefix, and finishes that branch alone."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: 1 branch at β = 0, 16 at β = 1, all advanced to depth 4 before the choice."""
        return {"branches": round(16**beta), "prefix": 4}

    def solve(self, episode: Episode) -> Answer | None:
        """Advance all branches, choose one by majority, prune the others, finish it."""
        branches = episode.branch(min(self.knobs["branches"], episode.open_slots))
        for _ in range(self.knobs["prefix"] - 1):
            episode.advance(episode.active)
        winner = majority(branch.answer for branch in branches)
        kept = next(branch for branch in branches if branch.answer == winner)
        episode.prune([branch for branch in branches if branch is not kept and not branch.finished])
        if not kept.finished:
            episode.finish(kept)
        return kept.answer
