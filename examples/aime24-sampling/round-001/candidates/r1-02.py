"""Desertion evidence: a vote counts by the odds that its answer is of the kind that branches stay with once they met it.

Branches that meet the right answer hardly ever leave it; popular wrong answers are left by most that meet them. For
every answer the controller counts the branches that stayed with it to their end and those that deserted it (also
branches still on the way), and turns both into a Bayes factor between a "sticky" and a "passing" answer. Votes are
multiplied by that probability, so an answer with fewer votes and no deserters beats a crowded one that is being left.
An open vote with a dubious leader buys depth (who else deserts it?), one with sticky rivals buys width.
"""

import math
from statistics import median

from autotts import ActionError, Answer, Controller, Episode, confidence, majority

STICKY = (9.0, 1.0)  # Beta prior of the share kept: right answers
PASSING = (2.0, 3.0)  # ... and wrong ones
PARTIAL = 0.4  # a settled branch that goes on, as a vote
AWAY = 3  # probes in a row with another answer that make a desertion on the way; it counts half


def log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def sticky(kept: float, left: float) -> float:
    """Probability that an answer kept and left so often is of the sticky kind."""
    (a, b), (c, d) = STICKY, PASSING
    log_odds = log_beta(a + kept, b + left) - log_beta(a, b) - log_beta(c + kept, d + left) + log_beta(c, d)
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


def quota(n: int) -> int:
    return max(1, round(max(math.sqrt(2 * n) - 0.6, n / 5)))


class Desertion(Controller):
    """Votes weighted by stickiness decide the answer, the end, and whether depth or width comes next."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "width": min(64, round(2 * 32**b)),
            "start": round(2 + 6 * b),
            "sure": 1 - 0.40 * 0.045**b,
            "settle": round(5 + 5 * b),
        }

    def solve(self, episode: Episode) -> Answer | None:
        self._seen: dict[int, tuple[int, int, frozenset]] = {}
        width = int(min(self.knobs["width"], episode.open_slots))
        try:
            episode.branch(int(min(self.knobs["start"], width)))
            depth = 1
            while True:
                scores, sticks = self._scores(episode)
                ranked = sorted(scores, key=lambda answer: -scores[answer])
                if ranked:
                    second = scores[ranked[1]] if len(ranked) > 1 else 0.0
                    if confidence(scores[ranked[0]], second) >= self.knobs["sure"]:
                        episode.note("stopped: a sticky answer leads clearly")
                        break
                active = episode.active
                behind = [branch for branch in active if branch.depth < depth]
                if behind:
                    episode.advance(behind)
                    continue
                n = len(episode.branches)
                ended = sum(branch.finished for branch in episode.branches)
                dubious = n > 3 and (not ranked or sticks[ranked[0]] < 0.5)
                if active and ended < (max(quota(n), n / 2) if dubious else quota(n)):
                    depth += 1
                elif n < width:
                    episode.branch(min(width - n, max(1, n // 2)))
                else:
                    episode.note("stopped: the pool has told enough")
                    break
        except ActionError:
            episode.note("stopped: no further action")
        scores, _ = self._scores(episode)
        if scores:
            return max(scores, key=lambda answer: scores[answer])
        present = [branch.answer for branch in episode.branches if branch.answer is not None]
        parsed = [answer for answer in present if answer.parsed]
        return majority(parsed or present)

    def _look(self, branch) -> tuple[int, frozenset]:
        """Length of the run of the present answer, and the answers that the branch ever gave."""
        known = self._seen.get(branch.index)
        if known is None or known[0] != branch.depth:
            run = 0
            for answer in reversed(branch.answers):
                if answer is None or answer != branch.answer:
                    break
                run += 1
            known = (branch.depth, run, frozenset(branch.seen))
            self._seen[branch.index] = known
        return known[1], known[2]

    def _scores(self, episode: Episode) -> tuple[dict, dict]:
        ballots: list[tuple] = []
        left: dict = {}
        ends = []
        for branch in episode.branches:
            answer = branch.answer
            if answer is None or not answer.parsed:
                continue
            run, seen = self._look(branch)
            if branch.finished:
                ballots.append((answer, 1.0, branch.depth))
                ends.append(branch.depth)
            elif run >= self.knobs["settle"]:
                ballots.append((answer, PARTIAL, branch.depth))
            loss = 1.0 if branch.finished else 0.5 if run >= AWAY else 0.0
            if loss:
                for other in seen:
                    if other != answer:
                        left[other] = left.get(other, 0.0) + loss
        if not ballots:
            return {}, {}
        middle = median(ends or [depth for _, _, depth in ballots])
        kept: dict = {}
        votes: dict = {}
        for answer, unit, depth in ballots:
            kept[answer] = kept.get(answer, 0.0) + unit
            votes[answer] = votes.get(answer, 0.0) + unit * min(2.0, (middle / depth) ** 1.5)
        sticks = {answer: sticky(kept[answer], left.get(answer, 0.0)) for answer in votes}
        return {answer: votes[answer] * sticks[answer] for answer in votes}, sticks
