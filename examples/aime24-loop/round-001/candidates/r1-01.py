"""Horizon race: widen at a fixed depth, deepen only while the projected vote would be clear.

The pool advances in lockstep and votes plainly by those that ended. When a quarter has ended and the vote is open, the
present answers of the others are looked at as if they were final: if even that projected vote would not be clear, depth
cannot settle the question, so the pool doubles and the newcomers catch up to the same depth (no token is lost against
having opened all at once); if it would be clear, the pool goes deeper. At full width the slow rest is never paid for.
"""

from math import ceil

from autotts import Answer, Controller, Episode, Poll, poll


class HorizonRace(Controller):
    """Depth against width by the projected vote."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 3**beta),
            "width": round(2 * 32**beta),
            "sure": 0.75 + 0.235 * beta,
            "share": 0.25 + 0.25 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        sure = knobs["sure"]
        episode.branch(min(knobs["start"], width))
        while True:
            if self.ended_vote(episode).confidence >= sure:
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
            if level and ended >= ceil(total / 4) and self.projected(episode).confidence < sure:
                if room > 0:
                    episode.branch(min(room, total))
                    continue
                if ended >= ceil(knobs["share"] * total):
                    episode.note("stopped: share ended")
                    break
            episode.advance([branch for branch in active if branch.depth == low])
        winner = self.ended_vote(episode).winner
        return self.projected(episode).winner if winner is None else winner

    def ended_vote(self, episode: Episode) -> Poll:
        ended = sorted((branch for branch in episode.branches if branch.finished), key=lambda branch: branch.depth)
        return poll([branch.answer for branch in ended])

    def projected(self, episode: Episode) -> Poll:
        return poll([branch.answer for branch in episode.branches])
