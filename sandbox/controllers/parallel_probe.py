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
        # All are opened with the call for the first rounds.
        width = opening = min(self.knobs["branches"], episode.open_slots)
        voters, live = list[Branch](), list[Branch]()
        off_track = [0] * width
        previous: Answer | None = None
        stable = step = 0
        while step < MAX_ROUNDS:
            # Nobody is pruned before the one that has disagreed longest can be, and nothing ends before it is stable.
            most = min(MAX_ROUNDS - step, stable_steps - stable)
            if width > 1:
                worst = max([off_track[branch.index] for branch in live], default=0)
                most = min(most, max(warm_up, step) + patience - worst - step)
            before = [branch.depth for branch in voters] or [1] * width
            taken = episode.rounds(live, max(1, most), opening=opening, through_ends=True)
            if opening:
                voters = live = episode.branches
                opening = 0
            turns = max(1, taken)
            shown = [_turn_by_turn(branch, depth, turns) for branch, depth in zip(voters, before, strict=True)]
            winners = [majority(votes) for votes in zip(*shown, strict=True)]
            judged = step + turns - max(warm_up, step)
            if judged > 0 and width > 1:
                for branch, answers in zip(voters, shown, strict=True):
                    if answers[-1] is winners[-1]:
                        off_track[branch.index] = 0
                    elif not branch.finished:
                        off_track[branch.index] = _disagreed(off_track[branch.index], answers, winners, judged)
                pruned = [branch for branch in live if not branch.finished and off_track[branch.index] >= patience]
                if pruned:
                    episode.prune(pruned)
                    voters = [branch for branch in voters if not branch.pruned]
                    width = len(voters)
                    winners[-1] = majority(branch.answer for branch in voters)
            for winner in winners:
                stable = stable + 1 if winner is not None and winner is previous else 0
                previous = winner
            step += turns
            live = [branch for branch in live if not (branch.finished or branch.pruned)]
            if stable >= stable_steps or not live:
                break
        return previous


def _turn_by_turn(branch: Branch, depth: int, turns: int) -> list[Answer | None]:
    """What a branch showed beyond a depth, turn by turn; at its end it keeps its answer."""
    if branch.depth == depth:
        return [branch.answer] * turns
    answers = branch.since(depth)
    return answers if len(answers) == turns else answers + answers[-1:] * (turns - len(answers))


def _disagreed(before: int, answers: list[Answer | None], winners: list[Answer | None], turns: int) -> int:
    """For how many turns on end a branch has disagreed, after `turns` more, the last of those that are shown."""
    for back in range(1, turns + 1):
        if answers[-back] is winners[-back]:
            return back - 1
    return before + turns
