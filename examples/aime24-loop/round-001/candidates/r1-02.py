"""Race by length: votes fall with the square of a branch's length over the shortest, so that early enders rule.

The pool doubles at a fixed depth while even the projected vote (present answers of unfinished branches, each with the
weight it would have if it ended now) stays open, and deepens otherwise. Late votes hardly count, so the slow rest is
not paid for.
"""

from math import ceil

from autotts import Answer, Controller, Episode, Poll, poll


class LengthRace(Controller):
    """Depth against width by the projected vote, weighted by relative length."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 3**beta),
            "width": round(2 * 32**beta),
            "sure": 0.75 + 0.22 * beta,
            "share": 0.25 + 0.35 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        sure = knobs["sure"]
        episode.branch(min(knobs["start"], width))
        while True:
            if self.vote(episode).confidence >= sure:
                episode.note("stopped: clear")
                break
            active = episode.active
            total = len(episode.branches)
            room = width - total
            if not active:
                if room <= 0:
                    break
                episode.branch(min(room, total))
                continue
            low = min(branch.depth for branch in active)
            level = all(branch.depth == low for branch in active)
            ended = total - len(active)
            if level and ended >= ceil(total / 4) and self.vote(episode, projected=True).confidence < sure:
                if room > 0:
                    episode.branch(min(room, total))
                    continue
                if ended >= ceil(knobs["share"] * total):
                    episode.note("stopped: share ended")
                    break
            episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode).winner
        return poll([branch.answer for branch in episode.branches]).winner if winner is None else winner

    def vote(self, episode: Episode, projected: bool = False) -> Poll:
        voters = [branch for branch in episode.branches if branch.finished or projected]
        voters.sort(key=lambda branch: branch.depth)
        ended = [branch.depth for branch in voters if branch.finished]
        first = min(ended) if ended else 1
        weights = [min(1.0, first / branch.depth) ** 2 for branch in voters]
        return poll([branch.answer for branch in voters], weights)
