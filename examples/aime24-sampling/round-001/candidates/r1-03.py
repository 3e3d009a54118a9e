"""Price of doubling: go on only while doubling the evidence is worth, in chance of a better winner, what it costs.

Doubling the votes costs about what the episode has cost so far. What it would bring follows in closed form from the
contest of the two leading answers: the expected rise of the probability that the winner is the truly more frequent
one (knowledge gradient), times the share of the votes that the two hold: a scattered vote is a lost question, not a
close one. The only rule is value of doubling >= price x tokens spent; beta sets nothing but the price (and the first
pool). So a tie is worth much when few tokens were spent, and less and less later; a clear lead is worth nothing ever.
"""

import math
from statistics import median

from autotts import ActionError, Answer, Controller, Episode, majority

PARTIAL = 0.4  # a settled branch that goes on, as a vote
SPEED = 2.0  # power of relative speed in a vote
GRID = [k / 4 for k in range(-14, 15)]
MASS = [math.exp(-z * z / 2) for z in GRID]
TOTAL = sum(MASS)


def phi(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def gain(lead: float) -> float:
    """Expected rise of P(winner is the more frequent one) if the votes double, at a lead in standard errors."""
    after = sum(mass * phi(abs(math.sqrt(2) * lead + z)) for mass, z in zip(MASS, GRID)) / TOTAL
    return max(0.0, after - phi(lead))


def quota(n: int) -> int:
    return max(1, round(max(math.sqrt(2 * n) - 0.6, n / 5)))


class PriceOfDoubling(Controller):
    """Stop by value against price; deepen until the fast part of the pool has ended, then widen by a half."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {"price": 4e-6 / 80**b, "start": round(2 + 4 * b), "settle": round(5 + 5 * b)}

    def solve(self, episode: Episode) -> Answer | None:
        self._runs: dict[int, tuple[int, int]] = {}
        slots = min(64, episode.open_slots)
        try:
            episode.branch(int(min(self.knobs["start"], slots)))
            depth = 1
            while True:
                if not self._worth(episode):
                    episode.note("stopped: doubling is not worth its price")
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
                elif n < slots:
                    episode.branch(min(slots - n, max(1, n // 2)))
                else:
                    episode.note("stopped: no room")
                    break
        except ActionError:
            episode.note("stopped: no further action")
        votes = self._votes(episode)
        if votes:
            return max(votes, key=lambda answer: votes[answer])
        present = [branch.answer for branch in episode.branches if branch.answer is not None]
        parsed = [answer for answer in present if answer.parsed]
        return majority(parsed or present)

    def _worth(self, episode: Episode) -> bool:
        votes = self._votes(episode)
        ranked = sorted(votes.values(), reverse=True)
        if sum(ranked) < 2 * PARTIAL:  # one unfinished branch is no evidence
            return True
        first, second = ranked[0], ranked[1] if len(ranked) > 1 else 0.0
        lead = (first - second) / math.sqrt(first + second + 1)
        contested = (first + second) / (sum(ranked) + 1)
        return contested * gain(lead) >= self.knobs["price"] * episode.tokens

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
        votes: dict = {}
        if not ended and not settled:
            return votes
        middle = median(branch.depth for branch in (ended or settled))
        for group, unit in ((ended, 1.0), (settled, PARTIAL)):
            for branch in group:
                weight = unit * min(2.0, (middle / branch.depth) ** SPEED)
                votes[branch.answer] = votes.get(branch.answer, 0.0) + weight
        return votes
