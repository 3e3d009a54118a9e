"""Seconded race: a wider start than r4-01, a higher bar for small pools, and half votes that second an ended leader.

Present answers never choose the answer; they only let a race stop whose ended leader the others confirm, so that the
bar at small β can be high enough for disagreement to open more branches.
"""

from math import isqrt

from autotts import Answer, Controller, Episode, Poll, poll


class TwoKnobs(Controller):
    """Width and the bar of an empty pool; the bar falls to 0.66 as the pool fills."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": round(64 ** (beta**0.7)), "sure": 0.8 + 0.17 * beta}

    def solve(self, episode: Episode) -> Answer | None:
        width, sure = min(self.knobs["width"], episode.open_slots), self.knobs["sure"]
        episode.branch(min(width, 1 + isqrt(width)))
        while True:
            total, active = len(episode.branches), episode.active
            bar = sure + (0.66 - sure) * total / width
            now = self.vote(episode, False)
            heard = self.vote(episode, True, 0.5) if now.votes else now
            if now.confidence >= bar or (heard.winner == now.winner and heard.confidence >= bar):
                break
            low = min((branch.depth for branch in active), default=0)
            level = all(branch.depth == low for branch in active)
            open_now = not active or self.vote(episode, True).confidence < bar
            if level and 4 * (total - len(active)) >= total and open_now:
                if total == width:
                    break
                episode.branch(min(width - total, total))
            else:
                episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode, False).winner
        return self.vote(episode, True).winner if winner is None else winner

    def vote(self, episode: Episode, projected: bool, trust: float = 1.0) -> Poll:
        """Length squared times the squared share that the answer kept of the branches that ever gave it."""
        voters = sorted((each for each in episode.branches if each.finished or projected), key=lambda each: each.depth)
        first = min((each.depth for each in voters if each.finished), default=1)
        support: dict[Answer, float] = {}
        for voter in voters:
            answer = voter.answer
            if answer is not None and answer.parsed:
                support[answer] = support.get(answer, 0.0) + min(1.0, first / voter.depth) ** 2 * (1.0 if voter.finished else trust)
        for answer in support:
            ever = [each.answer == answer for each in episode.branches if answer in each.seen]
            support[answer] *= (sum(ever) / len(ever)) ** 2
        return poll(support)
