"""Settled first: branches that hold their answer run to their ends, all others are parked until a vote needs them.

A branch that has held its answer for `hold` probes is about to end and vote; those that still wander will end late and
are less often right. Tokens therefore go to the settled ones first. The wanderers advance in lockstep only while too
few have ended, and newcomers are opened before parked wanderers go deeper. Only ended branches vote, so that every
early answer is verified; votes fall with the square of relative length.
"""

from math import ceil

from autotts import Answer, Branch, Controller, Episode, Poll, poll


class SettledFirst(Controller):
    """A priority for tokens by how long a branch has held its answer."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 3**beta),
            "width": round(2 * 32**beta),
            "sure": 0.75 + 0.21 * beta,
            "share": 0.25 + 0.25 * beta,
            "hold": round(6 + 6 * beta),
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        episode.branch(min(knobs["start"], width))
        front = 0
        while True:
            if self.vote(episode).confidence >= knobs["sure"]:
                episode.note("stopped: clear")
                break
            active = episode.active
            total = len(episode.branches)
            room = width - total
            runners = [branch for branch in active if self.settled(branch)]
            if runners:
                episode.advance(runners)
                continue
            ended = total - len(active)
            depths = {branch.depth for branch in active}
            low = min(depths, default=0)
            caught_up = not active or max(depths) == low or low >= front
            if not active or (caught_up and ended >= ceil(total / 4)):
                if room > 0:
                    front = low
                    episode.branch(min(room, total))
                    continue
                if not active or ended >= ceil(knobs["share"] * total):
                    episode.note("stopped: share ended")
                    break
            episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode).winner
        return poll([branch.answer for branch in episode.branches]).winner if winner is None else winner

    def settled(self, branch: Branch) -> bool:
        hold, last = self.knobs["hold"], branch.answer
        if last is None or not last.parsed or branch.depth < hold:
            return False
        return all(answer == last for answer in branch.answers[-hold:])

    def vote(self, episode: Episode) -> Poll:
        ended = sorted((branch for branch in episode.branches if branch.finished), key=lambda branch: branch.depth)
        weights = [(ended[0].depth / branch.depth) ** 2 for branch in ended]
        return poll([branch.answer for branch in ended], weights)
