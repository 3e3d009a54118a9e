"""Refutation alone: plain votes of the fast ends, times the squared share that an answer kept of those who ever gave it.

The race already collects short branches only; this leaves the weight by length out, and only departures weigh votes.
"""

from math import isqrt

from autotts import Answer, Controller, Episode, Poll, poll


class Refuted(Controller):
    """Width and the bar of an empty pool; the bar falls to 0.66 as the pool fills."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": round(64 ** (beta**0.7)), "sure": 0.76 + 0.2 * beta}

    def solve(self, episode: Episode) -> Answer | None:
        width, sure = min(self.knobs["width"], episode.open_slots), self.knobs["sure"]
        episode.branch(min(width, 1 + isqrt(width)))
        while True:
            total, active = len(episode.branches), episode.active
            bar = sure + (0.66 - sure) * total / width
            if self.vote(episode, False).confidence >= bar:
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

    def vote(self, episode: Episode, projected: bool) -> Poll:
        """Plain votes times the squared share that the answer kept of the branches that ever gave it."""
        voters = sorted((each for each in episode.branches if each.finished or projected), key=lambda each: each.depth)
        support: dict[Answer, float] = {}
        for voter in voters:
            answer = voter.answer
            if answer is not None and answer.parsed:
                support[answer] = support.get(answer, 0.0) + 1.0
        for answer in support:
            ever = [each.answer == answer for each in episode.branches if answer in each.seen]
            support[answer] *= (sum(ever) / len(ever)) ** 2
        return poll(support)
