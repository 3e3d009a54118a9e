"""Parallel-Probe: branches side by side, pruned when they keep disagreeing, stopped when the vote is stable.

From arXiv 2602.03845; the default at β = 1 is its published setting.
"""

from autotts import Answer, Branch, Controller, Episode, majority

MAX_ROUNDS = 100


class ParallelProbe(Controller):
    """Voting at every depth: each round advances all live branches by one interval and probes them."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: 1 branch at β = 0, 64 at β = 1, linear in the logarithm."""
        return {"branches": round(64**beta), "stable_steps": 40, "prune_patience": 7, "warm_up": 15}

    def solve(self, episode: Episode) -> Answer | None:
        """Advance, vote and prune until the winner has not changed for `stable_steps` rounds."""
        knobs = self.knobs
        voters = episode.branch(min(knobs["branches"], episode.open_slots))
        live = [branch for branch in voters if not branch.finished]
        off_track = [0] * len(voters)
        winner: Answer | None = None
        stable = 0
        for step in range(MAX_ROUNDS):
            episode.advance(live)
            previous, winner = winner, majority(branch.answer for branch in voters)
            live = [branch for branch in live if not branch.finished]
            if step >= knobs["warm_up"] and len(voters) > 1:
                lost = list[Branch]()
                for branch in live:
                    off_track[branch.index] = 0 if branch.answer is winner else off_track[branch.index] + 1
                    # Only a branch that disagrees is pruned, whatever the patience.
                    if off_track[branch.index] >= max(1, knobs["prune_patience"]):
                        lost.append(branch)
                if lost:
                    episode.prune(lost)
                    voters = [branch for branch in voters if not branch.pruned]
                    live = [branch for branch in live if not branch.pruned]
                    winner = majority(branch.answer for branch in voters)
            stable = stable + 1 if winner is not None and winner is previous else 0
            if stable >= knobs["stable_steps"] or not live:
                break
        return winner
