"""Cross-examination: settled branches are banked unread; only a dispute between the two leaders sends them on.

A branch that has held its answer for some probes is paused at once and votes with half a vote: its tail is mostly
re-checking. Agreement among banked branches ends easy questions without reading any to the end. If the vote is
disputed, depth goes where it decides: the earliest settled holders of the two leading answers are read on, equally
many of each. One that ends confirms its answer (a whole vote); one that recants counts against the answer it left,
since right answers are hardly ever left. Only when there is nobody left to examine are new branches opened; branches
that still wander when the others have long settled are left where they are.
"""

import math
from statistics import median

from autotts import ActionError, Answer, Branch, Controller, Episode, confidence, majority

BANKED = 0.5  # a settled branch that was not read to its end, as a vote
RECANTED = 0.5  # what a settled branch that leaves its answer takes from it
PATIENCE = 1.3  # wandering beyond this multiple of the median landing depth is not followed


def quota(n: int) -> int:
    return max(1, round(max(math.sqrt(2 * n) - 0.6, n / 5)))


class CrossExamination(Controller):
    """Bank settled branches, examine the holders of disputed answers, widen when the examination is over."""

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
        self._held: dict[int, tuple[int, int]] = {}
        self._bank: dict[int, Answer] = {}
        self._landing: dict[int, int] = {}
        self._lost: dict[Answer, float] = {}
        width = int(min(self.knobs["width"], episode.open_slots))
        try:
            episode.branch(int(min(self.knobs["start"], width)))
            while True:
                self._update(episode)
                scores = self._scores(episode)
                ranked = sorted(scores, key=lambda answer: -scores[answer])
                if ranked:
                    second = scores[ranked[1]] if len(ranked) > 1 else 0.0
                    if confidence(scores[ranked[0]], second) >= self.knobs["sure"]:
                        episode.note("stopped: clear")
                        break
                moving = self._moving(episode)
                if moving:
                    episode.advance(moving)
                    continue
                n = len(episode.branches)
                ended = sum(branch.finished for branch in episode.branches)
                if n < width or ended < quota(n):
                    disputed = self._disputed(episode, ranked[:2])
                    if disputed:
                        episode.advance(disputed)
                        continue
                if n < width:
                    episode.branch(min(width - n, max(1, n // 2)))
                    continue
                episode.note("stopped: nobody left to examine")
                break
        except ActionError:
            episode.note("stopped: no further action")
        self._update(episode)
        scores = self._scores(episode)
        if scores:
            return max(scores, key=lambda answer: scores[answer])
        present = [branch.answer for branch in episode.branches if branch.answer is not None]
        parsed = [answer for answer in present if answer.parsed]
        return majority(parsed or present)

    def _run(self, branch: Branch) -> int:
        known = self._held.get(branch.index)
        if known is not None and known[0] == branch.depth:
            return known[1]
        run = 0
        for answer in reversed(branch.answers):
            if answer is None or answer != branch.answer:
                break
            run += 1
        self._held[branch.index] = (branch.depth, run)
        return run

    def _update(self, episode: Episode) -> None:
        """Bank branches that have settled, and take note of those that recant."""
        for branch in episode.branches:
            index, answer = branch.index, branch.answer
            valid = answer is not None and answer.parsed
            banked = self._bank.get(index)
            if banked is not None and valid and answer != banked:
                # Only a lasting change recants: a stray probe in the middle of a check does not.
                if branch.finished or self._run(branch) >= 3:
                    self._lost[banked] = self._lost.get(banked, 0.0) + RECANTED
                    del self._bank[index]
            if valid and (branch.finished or self._run(branch) >= self.knobs["settle"]):
                self._bank[index] = answer
                self._landing.setdefault(index, branch.depth)

    def _scores(self, episode: Episode) -> dict:
        """Votes of ended and of banked branches, weighted by how early they settled, less what recanted."""
        ballots = []
        for branch in episode.branches:
            answer = self._bank.get(branch.index)
            if answer is None or (branch.finished and branch.answer != answer):
                continue
            ballots.append((answer, 1.0 if branch.finished else BANKED, self._landing[branch.index]))
        if not ballots:
            return {}
        middle = median(landing for _, _, landing in ballots)
        votes: dict = {}
        for answer, unit, landing in ballots:
            votes[answer] = votes.get(answer, 0.0) + unit * min(2.0, (middle / landing) ** 1.5)
        return {answer: max(0.05 * vote, vote - self._lost.get(answer, 0.0)) for answer, vote in votes.items()}

    def _moving(self, episode: Episode) -> list[Branch]:
        """The branches that have not settled, as long as they are not far behind those that have."""
        horizon = math.inf
        if 3 * len(self._landing) >= len(episode.branches):
            horizon = PATIENCE * median(self._landing.values())
        return [
            branch
            for branch in episode.active
            if (branch.index not in self._bank and branch.depth < max(horizon, self.knobs["settle"]))
        ]

    def _disputed(self, episode: Episode, leaders: list) -> list[Branch]:
        """The next to be examined: of each leading answer up to two banked branches, the earliest settled."""
        chosen: list[Branch] = []
        for leader in leaders:
            holders = [branch for branch in episode.active if self._bank.get(branch.index) == leader]
            # Examinations under way go on before others begin.
            holders.sort(key=lambda branch: (self._landing[branch.index] == branch.depth, self._landing[branch.index]))
            chosen += holders[:2]
        return chosen
