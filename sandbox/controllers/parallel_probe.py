"""Parallel-Probe: branches side by side, pruned when they keep disagreeing, stopped when the vote is stable.

From arXiv 2602.03845; the default at β = 1 is its published setting.
"""

from sandbox.tts import Answer, Branch, Controller, Episode, majority

MAX_ROUNDS = 100


class ParallelProbe(Controller):
    """Global voting in depth: every round all live branches go one interval further and are looked at."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """1 branch at β = 0, 64 at β = 1, evenly in the logarithm."""
        return {"branches": round(64**beta), "stable_steps": 40, "prune_patience": 7, "warm_up": 15}

    def solve(self, episode: Episode) -> Answer | None:
        """Step, vote, prune, until the winner has not changed for long enough."""
        patience, warm_up = self.knobs["prune_patience"], self.knobs["warm_up"]
        stable_steps = self.knobs["stable_steps"]
        voters: list[Branch] = episode.branch(min(self.knobs["branches"], episode.open_slots))
        live = [branch for branch in voters if not branch.finished]
        off_track = [0] * len(voters)
        previous: Answer | None = None
        stable = 0
        for step in range(MAX_ROUNDS):
            episode.advance(live)
            live = [branch for branch in live if not branch.finished]
            winner = majority([branch.answer for branch in voters])
            if step >= warm_up and len(voters) > 1:
                pruned = []
                for branch in live:
                    if branch.answer is winner:
                        off_track[branch.index] = 0
                    else:
                        off_track[branch.index] += 1
                        if off_track[branch.index] >= patience:
                            pruned.append(branch)
                if pruned:
                    episode.prune(pruned)
                    voters = [branch for branch in voters if not branch.pruned]
                    live = [branch for branch in live if not branch.pruned]
                    winner = majority([branch.answer for branch in voters])
            stable = stable + 1 if winner is not None and winner is previous else 0
            previous = winner
            if stable >= stable_steps or not live:
                break
        return previous
