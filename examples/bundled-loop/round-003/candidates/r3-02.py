"""Doubt decides on depth: a probe that repeats the leader, or is sure, is taken early; an unsure dissenter is decoded further and asked again before it votes by its probability."""

import math

from autotts import Answer, Branch, Controller, Episode


class Doubt(Controller):
    """Depth goes where the early probe is neither expected nor sure."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"horizon": max(1, min(64, math.ceil(3 * 22**beta - 2 - 1e-9))), "risk": 0.25 * 0.2**beta}

    def solve(self, episode: Episode) -> Answer | None:
        horizon = min(self.knobs["horizon"], episode.open_slots)
        while len(episode.branches) < horizon:
            n = len(episode.branches)
            if n >= 2 and self.overtaken(episode, horizon - n) < self.knobs["risk"]:
                break
            for _ in range(min(max(1, n // 6), horizon - n)):
                self.follow(episode)
        votes = self.votes(episode)
        return max(votes, key=lambda answer: votes[answer]) if votes else episode.branches[0].answer

    def until(self, episode: Episode, branch: Branch, depth: int) -> None:
        """Decode the branch blindly to the depth and probe it there, and further on until it shows an answer."""
        while branch.active and (branch.depth < depth or branch.answer is None or not branch.answer.parsed):
            episode.advance(branch, probe=branch.depth + 1 >= depth)

    def follow(self, episode: Episode) -> None:
        votes = self.votes(episode)
        leader = max(votes, key=lambda answer: votes[answer]) if votes else None
        branch = episode.branch(1, probe=False)[0]
        self.until(episode, branch, 7)
        if branch.active and branch.answer != leader and self.weight(branch.confidence) < 0.8:
            self.until(episode, branch, 9)
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
