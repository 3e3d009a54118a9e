"""Width alone: one knob, from which the start, its square root, and the bar, 0.76 for one branch and more for many, follow.

The race of r4-01 with half its knobs; a wider start takes fewer doublings, hence fewer sequential tokens.
"""

from math import isqrt

from autotts import Answer, Controller, Episode, Poll, poll


class WidthOnly(Controller):
    """Width alone; the bar falls to 0.66 as the pool fills."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": round(64 ** (beta**0.7))}

    def solve(self, episode: Episode) -> Answer | None:
        width = min(self.knobs["width"], episode.open_slots)
        sure = 0.96 - 0.2 / width**0.25
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
        """Length squared times the squared share that the answer kept of the branches that ever gave it."""
        voters = sorted((each for each in episode.branches if each.finished or projected), key=lambda each: each.depth)
        first = min((each.depth for each in voters if each.finished), default=1)
        support: dict[Answer, float] = {}
        for voter in voters:
            answer = voter.answer
            if answer is not None and answer.parsed:
                support[answer] = support.get(answer, 0.0) + min(1.0, first / voter.depth) ** 2
        for answer in support:
            ever = [each.answer == answer for each in episode.branches if answer in each.seen]
            support[answer] *= (sum(ever) / len(ever)) ** 2
        return poll(support)
