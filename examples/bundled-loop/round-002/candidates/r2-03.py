"""Cut branches vote by the probability that their probe gave its answer's tokens (short probes carry confidence, ends do not), and the forecast runs on that weighted vote."""

import math

from autotts import Answer, Branch, Controller, Episode


class Sure(Controller):
    """Probability-weighted votes settle ties that counts cannot."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"horizon": max(1, min(64, math.ceil(3 * 22**beta - 2 - 1e-9))), "risk": 0.25 * 0.12**beta}

    def solve(self, episode: Episode) -> Answer | None:
        horizon = min(self.knobs["horizon"], episode.open_slots)
        episode.read(1)
        length = episode.tokens
        while len(episode.branches) < horizon:
            n = len(episode.branches)
            if n >= 2 and self.overtaken(episode, horizon - n) < self.knobs["risk"]:
                break
            for _ in range(min(max(1, n // 6), horizon - n)):
                self.follow(episode, 0.85 * length)
        votes = self.votes(episode)
        return max(votes, key=lambda answer: votes[answer]) if votes else episode.branches[0].answer

    def until(self, episode: Episode, tokens: float) -> Branch:
        """Open a branch, decode it blindly to the last interval within `tokens`, and probe it there."""
        last = max(1, int(tokens / episode.interval + 1e-9))
        branch = episode.branch(1, probe=last == 1)[0]
        while branch.active and branch.depth < last:
            episode.advance(branch, probe=branch.depth + 1 == last)
        return branch

    def follow(self, episode: Episode, tokens: float) -> None:
        branch = self.until(episode, tokens)
        if branch.active and branch.answer is not None and branch.answer.parsed:
            episode.prune(branch)
        elif branch.active:
            episode.finish(branch)

    def votes(self, episode: Episode) -> dict:
        votes: dict = {}
        for branch in episode.branches:
            if branch.answer is not None and branch.answer.parsed:
                votes[branch.answer] = votes.get(branch.answer, 0.0) + self.weight(branch)
        return votes

    def overtaken(self, episode: Episode, left: int) -> float:
        """Chance that the runner-up overtakes within `left` further branches, by a normal forecast of the gap."""
        first, second = [*sorted(self.votes(episode).values(), reverse=True)[:2], 0.0, 0.0][:2]
        n = len(episode.branches)
        share = (first + second + 1) / (n + 2)
        spread = math.sqrt(left * share + left * left * share / (n + 2))
        return 0.5 * math.erfc((first - second) * (1 + left / (n + 2)) / spread / math.sqrt(2))

    def weight(self, branch: Branch) -> float:
        return math.exp(min(0.0, branch.confidence)) if branch.confidence is not None else 0.6
