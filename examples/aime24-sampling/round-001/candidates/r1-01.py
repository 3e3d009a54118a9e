"""Arrival race: evidence is how early a branch arrives; the pool is a (width x depth) frontier cut at its fastest part.

Right branches end sooner than wrong ones of the same question, so the pool is never read to its ends. All branches
stand at one depth; each ended branch votes with a power of its speed relative to the median arrival, and a branch
that has held an answer for long without ending is a partial arrival. The depth grows only until the fastest part of
the pool has arrived; if the vote is still open then, new branches are brought to that same depth, where only the fast
ones among them can arrive. The slow tail, which is dear and mostly wrong, is never paid for.
"""

import math
from statistics import median

from autotts import ActionError, Answer, Controller, Episode, confidence, majority

SPEED = 3.0  # power of relative speed: log-likelihood slope of length
PARTIAL = 0.4  # what a settled branch that goes on counts, against 1 for one that ended


def quota(n: int) -> int:
    """Arrivals that a pool of n should show before it is widened or left."""
    return max(1, round(max(math.sqrt(2 * n) - 0.6, n / 5)))


class ArrivalRace(Controller):
    """Widen at the depth at which the fast part of the pool arrives, until the speed-weighted vote is clear."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "width": min(64, round(2 * 32**b)),
            "start": round(2 + 6 * b),
            "sure": 1 - 0.30 * 0.05**b,
            "settle": round(5 + 5 * b),
        }

    def solve(self, episode: Episode) -> Answer | None:
        self._runs: dict[int, tuple[int, int]] = {}
        width = int(min(self.knobs["width"], episode.open_slots))
        try:
            episode.branch(int(min(self.knobs["start"], width)))
            depth = 1
            while True:
                if self._clear(episode):
                    episode.note("stopped: clear")
                    break
                active = episode.active
                behind = [branch for branch in active if branch.depth < depth]
                if behind:
                    episode.advance(behind)
                    continue
                n = len(episode.branches)
                ended = sum(branch.finished for branch in episode.branches)
                if active and ended < quota(n):
                    depth += 1
                elif n < width:
                    episode.branch(min(width - n, max(1, n // 2)))
                else:
                    episode.note("stopped: the fast part has arrived")
                    break
        except ActionError:
            episode.note("stopped: no further action")
        return self._answer(episode)

    def _run(self, branch) -> int:
        known = self._runs.get(branch.index)
        if known is not None and known[0] == branch.depth:
            return known[1]
        run = 0
        for answer in reversed(branch.answers):
            if answer is None or answer != branch.answer:
                break
            run += 1
        self._runs[branch.index] = (branch.depth, run)
        return run

    def _votes(self, episode: Episode) -> dict:
        ended, settled = [], []
        for branch in episode.branches:
            if branch.answer is None or not branch.answer.parsed:
                continue
            if branch.finished:
                ended.append(branch)
            elif self._run(branch) >= self.knobs["settle"]:
                settled.append(branch)
        basis = ended or settled
        votes: dict = {}
        if not basis:
            return votes
        middle = median(branch.depth for branch in basis)
        for group, unit in ((ended, 1.0), (settled, PARTIAL)):
            for branch in group:
                weight = unit * min(2.5, (middle / branch.depth) ** SPEED)
                votes[branch.answer] = votes.get(branch.answer, 0.0) + weight
        return votes

    def _clear(self, episode: Episode) -> bool:
        ranked = sorted(self._votes(episode).values(), reverse=True)
        if not ranked:
            return False
        second = ranked[1] if len(ranked) > 1 else 0.0
        return confidence(ranked[0], second) >= self.knobs["sure"]

    def _answer(self, episode: Episode) -> Answer | None:
        votes = self._votes(episode)
        if votes:
            return max(votes, key=lambda answer: votes[answer])
        present = [branch.answer for branch in episode.branches if branch.answer is not None]
        parsed = [answer for answer in present if answer.parsed]
        return majority(parsed or present)
