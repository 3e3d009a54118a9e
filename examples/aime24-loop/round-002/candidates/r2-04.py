"""Shrinking horizon: no branch is read deeper than a stretch of the shortest that ended; width is spent below it.

Refines r1-02, whose hard questions read 64 branches until a share has ended. Here the first branch to end with an answer
sets the horizon, `stretch` times its length, and each shorter one pulls it in. Branches that reach it are parked, so
the pool only ever collects the fast enders, which are right more often, at a fraction of the cost of a whole branch.
While the vote is open the pool doubles below the horizon; at full width the answer is taken.
"""

from math import ceil

from autotts import Answer, Controller, Episode, Poll, poll


class ShrinkingHorizon(Controller):
    """Depth is bounded by the shortest branch, width by the vote."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 3**beta),
            "width": round(2 * 32 ** (beta**0.85)),
            "sure": 0.75 + 0.2 * beta,
            "stretch": 1.0 + 0.5 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        episode.branch(min(knobs["start"], width))
        while True:
            if self.vote(episode).confidence >= knobs["sure"]:
                episode.note("stopped: clear")
                break
            lengths = [
                branch.depth
                for branch in episode.branches
                if branch.finished and branch.answer is not None and branch.answer.parsed
            ]
            horizon = ceil(knobs["stretch"] * min(lengths)) if lengths else 10**6
            moving = [branch for branch in episode.active if branch.depth < horizon]
            if moving:
                low = min(branch.depth for branch in moving)
                episode.advance([branch for branch in moving if branch.depth == low])
                continue
            room = width - len(episode.branches)
            if room <= 0:
                episode.note("stopped: full below the horizon")
                break
            episode.branch(min(room, len(episode.branches)))
        winner = self.vote(episode).winner
        return poll([branch.answer for branch in episode.branches]).winner if winner is None else winner

    def vote(self, episode: Episode) -> Poll:
        ended = sorted((branch for branch in episode.branches if branch.finished), key=lambda branch: branch.depth)
        return poll([branch.answer for branch in ended], [(ended[0].depth / branch.depth) ** 2 for branch in ended])
