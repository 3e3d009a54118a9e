"""Parallel-Probe: branches side by side, pruned when they keep disagreeing, stopped when the vote is stable.

From arXiv 2602.03845; the default at β = 1 is its published setting. Rounds after which nothing can be decided yet are
asked for in one call.
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
        # Only who disagrees is counted, and so pruned.
        patience, warm_up = max(1, self.knobs["prune_patience"]), self.knobs["warm_up"]
        stable_steps = self.knobs["stable_steps"]
        voters: list[Branch] = episode.branch(min(self.knobs["branches"], episode.open_slots))
        live = [branch for branch in voters if not branch.finished]
        off_track = [0] * len(voters)
        previous: Answer | None = None
        stable = step = 0
        while step < MAX_ROUNDS:
            # Nobody is pruned before the one that has disagreed longest can be, and nothing ends before it is stable.
            most = min(MAX_ROUNDS - step, stable_steps - stable)
            if len(voters) > 1:
                worst = max([off_track[branch.index] for branch in live], default=0)
                most = min(most, max(warm_up, step) + patience - worst - step)
            before = [branch.depth for branch in voters]
            taken = episode.rounds(live, max(1, most), through_ends=True)
            # What each showed round by round; one that is at its end keeps its answer.
            turns = max(1, taken)
            shown, ends = [], []
            for branch, depth in zip(voters, before, strict=True):
                answers = branch.since(depth) or [branch.answer]
                ends.append(len(answers) - branch.finished)
                shown.append(answers if len(answers) == turns else answers + answers[-1:] * (turns - len(answers)))
            for turn, votes in enumerate(zip(*shown, strict=True)):
                winner = majority(votes)
                if step >= warm_up and len(voters) > 1:
                    for branch, end, vote in zip(voters, ends, votes, strict=True):
                        if turn < end:
                            off_track[branch.index] = 0 if vote is winner else off_track[branch.index] + 1
                    pruned = [branch for branch in live if not branch.finished and off_track[branch.index] >= patience]
                    if pruned:
                        episode.prune(pruned)
                        voters = [branch for branch in voters if not branch.pruned]
                        winner = majority(branch.answer for branch in voters)
                stable = stable + 1 if winner is not None and winner is previous else 0
                previous = winner
                step += 1
            live = [branch for branch in live if not (branch.finished or branch.pruned)]
            if stable >= stable_steps or not live:
                break
        return previous
