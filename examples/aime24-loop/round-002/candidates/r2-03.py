"""One knob: the width; the lead that is asked for follows from how much of the width is used.

The same race as r1-02 with one knob instead of four: newcomers catch up to the depth at which a quarter has ended, votes
fall with relative length squared, and the confidence needed falls from 0.95 (an empty pool) to 0.65 (a full one, where
the first clear lead ends it). No projected vote: pools grow threefold, so that fewer tokens are sequential.
"""

from autotts import Answer, Controller, Episode, Poll, poll


class OneKnob(Controller):
    """Width alone; all else follows."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": round(2 * 32 ** (beta**0.9))}

    def solve(self, episode: Episode) -> Answer | None:
        width = min(self.knobs["width"], episode.open_slots)
        episode.branch(min(width, max(2, round(width**0.5))))
        while True:
            total, active = len(episode.branches), episode.active
            if self.vote(episode).confidence >= 0.95 - 0.3 * total / width:
                break
            low = min((branch.depth for branch in active), default=0)
            level = all(branch.depth == low for branch in active)
            if level and 4 * (total - len(active)) >= total:
                if total == width:
                    break
                episode.branch(min(width - total, 2 * total))
            else:
                episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode).winner
        return poll([branch.answer for branch in episode.branches]).winner if winner is None else winner

    def vote(self, episode: Episode) -> Poll:
        ended = sorted((branch for branch in episode.branches if branch.finished), key=lambda branch: branch.depth)
        return poll([branch.answer for branch in ended], [(ended[0].depth / branch.depth) ** 2 for branch in ended])
