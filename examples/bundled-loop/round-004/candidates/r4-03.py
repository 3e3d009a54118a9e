"""Width against depth at the margin: while the vote is open, the least sure shallow branch is asked again two intervals later, at half the price of a new branch; only when none is unsure a new one opens. Former answers keep a third of their probability."""

import math

from autotts import Answer, Branch, Controller, Episode


class Reask(Controller):
    """Unsure branches stay open until the vote needs them."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"horizon": max(1, min(64, math.ceil(3 * 22**beta - 2 - 1e-9))), "risk": 0.25 * 0.2**beta}

    def solve(self, episode: Episode) -> Answer | None:
        horizon = min(self.knobs["horizon"], episode.open_slots)
        while len(episode.branches) < horizon or self.unsure(episode):
            n = len(episode.branches)
            if n >= 2 and self.overtaken(episode, horizon - n) < self.knobs["risk"]:
                break
            self.follow(episode)
        votes = self.votes(episode)
        return max(votes, key=lambda answer: votes[answer]) if votes else episode.branches[0].answer

    def until(self, episode: Episode, branch: Branch, depth: int) -> None:
        """Decode the branch blindly to the depth and probe it there, and further on until it shows an answer."""
        while branch.active and (branch.depth < depth or branch.answer is None or not branch.answer.parsed):
            episode.advance(branch, probe=branch.depth + 1 >= depth)

    def follow(self, episode: Episode) -> None:
        """Where the vote is open, ask the least sure branch again a little later rather than open a new one."""
        shallow = self.unsure(episode)
        if shallow:
            branch = min(shallow, key=lambda b: self.weight(b.confidence))
            self.until(episode, branch, branch.depth + 2)
        else:
            self.until(episode, episode.branch(1, probe=False)[0], 5)


    def unsure(self, episode: Episode) -> list[Branch]:
        return [b for b in episode.active if b.depth < 7 and self.weight(b.confidence) < 0.5]

    def weight(self, sure: float | None) -> float:
        return math.exp(1 * min(0.0, sure)) if sure is not None else 0.6

    def votes(self, episode: Episode) -> dict:
        votes: dict = {}
        for branch in episode.branches:
            sures = branch.signals["probe_confidence"]
            looks = [(a, s) for a, s in zip(branch.answers, sures) if a is not None and a.parsed]
            for k, (answer, sure) in enumerate(looks):
                share = 1.0 if k == len(looks) - 1 else 0.3
                votes[answer] = votes.get(answer, 0.0) + share * self.weight(sure)
        return votes

    def overtaken(self, episode: Episode, left: int) -> float:
        """Chance that the runner-up overtakes within `left` further branches, by a normal forecast of the gap."""
        first, second = [*sorted(self.votes(episode).values(), reverse=True)[:2], 0.0, 0.0][:2]
        n = len(episode.branches)
        share = (first + second + 1) / (n + 2)
        left = max(left, 1)
        spread = math.sqrt(left * share + left * left * share / (n + 2))
        return 0.5 * math.erfc((first - second) * (1 + left / (n + 2)) / spread / math.sqrt(2))
