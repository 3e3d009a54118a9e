"""r3-04 with one constant risk and a cut of six at small β and seven above: fewer tokens on votes that are settled, and larger waves."""

import math

from autotts import Answer, Branch, Controller, Episode


class Lean(Controller):
    """The horizon alone says how much a lead is worth."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"horizon": max(1, min(64, math.ceil(3 * 22**beta - 2 - 1e-9))), "depth": round(6 + 1.45 * beta)}

    def solve(self, episode: Episode) -> Answer | None:
        horizon = min(self.knobs["horizon"], episode.open_slots)
        while len(episode.branches) < horizon:
            n = len(episode.branches)
            if n >= 2 and self.overtaken(episode, horizon - n) < 0.12:
                break
            for _ in range(min(max(1, n // 4), horizon - n)):
                self.follow(episode)
        votes = self.votes(episode)
        return max(votes, key=lambda answer: votes[answer]) if votes else episode.branches[0].answer

    def until(self, episode: Episode, branch: Branch, depth: int) -> None:
        """Decode the branch blindly to the depth and probe it there, and further on until it shows an answer."""
        while branch.active and (branch.depth < depth or branch.answer is None or not branch.answer.parsed):
            episode.advance(branch, probe=branch.depth + 1 >= depth)

    def follow(self, episode: Episode) -> None:
        branch = episode.branch(1, probe=False)[0]
        self.until(episode, branch, self.knobs["depth"])
        if branch.active:
            episode.prune(branch)

    def weight(self, sure: float | None) -> float:
        return math.exp(1 * min(0.0, sure)) if sure is not None else 0.6

    def votes(self, episode: Episode) -> dict:
        votes: dict = {}
        for branch in episode.branches:
            if branch.answer is not None and branch.answer.parsed:
                votes[branch.answer] = votes.get(branch.answer, 0.0) + self.weight(branch.confidence)
        return votes

    def overtaken(self, episode: Episode, left: int) -> float:
        """Chance that the runner-up overtakes within `left` further branches, by a normal forecast of the gap."""
        first, second = [*sorted(self.votes(episode).values(), reverse=True)[:2], 0.0, 0.0][:2]
        n = len(episode.branches)
        share = (first + second + 1) / (n + 2)
        spread = math.sqrt(left * share + left * left * share / (n + 2))
        return 0.5 * math.erfc((first - second) * (1 + left / (n + 2)) / spread / math.sqrt(2))
