"""ST-BoN: start n branches, keep the one that agrees with the others early, finish it alone (arXiv 2503.01422)."""

from sandbox.tts import Answer, Controller, Episode, majority


class SelfTruncatingBestOfN(Controller):
    """Chooses a branch at a prefix, and spends the rest on it."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """1 branch at β = 0, 16 at β = 1, all followed to depth 4 before the choice."""
        return {"branches": round(16**beta), "prefix": 4}

    def solve(self, episode: Episode) -> Answer | None:
        """Step together, choose, prune the rest, finish the one."""
        branches = episode.branch(min(self.knobs["branches"], episode.open_slots))
        going = [branch for branch in branches if not branch.finished]
        episode.rounds(going, self.knobs["prefix"] - 1, through_ends=True)
        winner = majority(branch.answer for branch in branches)
        kept = next(branch for branch in branches if branch.answer == winner)
        episode.prune([branch for branch in branches if branch is not kept and not branch.finished])
        if not kept.finished:
            episode.finish(kept)
        return kept.answer
