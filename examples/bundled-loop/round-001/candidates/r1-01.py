"""Reads branches in growing waves and stops when, within the horizon still affordable, the runner-up would very
improbably overtake the leader (a finite-horizon forecast, not a test of the present lead); equal votes are told apart
by the answers' recorded confidence."""

import math

from autotts import Answer, Controller, Episode


class Horizon(Controller):
    """The wider the horizon, the more a small lead can still be lost; a narrow one settles at once."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"horizon": max(1, min(64, round(1.2 * 54**beta))), "risk": 0.2 * 0.1**beta}

    def solve(self, episode: Episode) -> Answer | None:
        horizon = min(self.knobs["horizon"], episode.open_slots)
        first = last = None
        while True:
            n = len(episode.branches)
            if n >= horizon:
                break
            if n >= 2 and self.overtaken(episode, horizon - n) < self.knobs["risk"]:
                break
            episode.read(min(max(1, n // 5), horizon - n))
        votes = self.votes(episode)
        if votes:
            last = max(votes, key=lambda answer: votes[answer])
        return last or first or episode.branches[0].answer

    def votes(self, episode: Episode) -> dict:
        votes: dict = {}
        for branch in episode.branches:
            if branch.answer is not None and branch.answer.parsed:
                sure = math.exp(min(0.0, branch.confidence)) if branch.confidence is not None else 0.0
                votes[branch.answer] = votes.get(branch.answer, 0.0) + 1 + 0.01 * sure
        return votes

    def overtaken(self, episode: Episode, left: int) -> float:
        votes = [round(vote - 0.005 * vote) for vote in sorted(self.votes(episode).values(), reverse=True)[:2]] + [0, 0]
        first, second = votes[:2]
        n = len(episode.branches)
        gap = first - second
        drift = gap / (n + 2)
        share = (first + second + 1) / (n + 2)
        spread = math.sqrt(left * share + left * left * share / (n + 2))
        mean = gap + left * drift
        return 0.5 * math.erfc(mean / spread / math.sqrt(2))
