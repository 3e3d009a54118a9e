"""Steadiness ripens into votes: how long a branch has held its answer is a fractional vote before it ends.

New: a running branch votes with the share of its life for which it has held its answer, so agreement among steady
branches can end an easy question before any of them has ended. An ended branch votes with the share of branches that
outlived its length, and every answer's votes shrink by the share of its followers who left it. Cohorts double while the
vote is open, and each is cut when the shorter half of the branches has ended.
"""

from collections import Counter

from autotts import Answer, Branch, BudgetExceeded, Controller, Episode, confidence, majority, poll


LIFE = 8  # intervals that a running branch must live before its steadiness can count for half a vote


def held(branch: Branch) -> Answer | None:
    """Return the readable answer that the branch gives now."""
    answer = branch.answer
    return answer if answer is not None and answer.parsed else None


def dwell(branch: Branch) -> float:
    """Return the share of its life, with LIFE added, for which a branch has held its present answer."""
    streak = 0
    for answer in reversed(branch.answers):
        if answer is None or answer != branch.answer:
            break
        streak += 1
    return streak / (branch.depth + LIFE)


def late(branch: Branch, branches: list[Branch]) -> bool:
    """Say whether half of the branches that could have ended by this depth have ended."""
    depth = branch.depth
    ended = sum(1 for other in branches if other.finished and other.depth <= depth)
    risk = sum(1 for other in branches if other.finished or other.pruned or other.depth >= depth)
    return ended >= 2 and 2 * ended >= risk


def retire(episode: Episode) -> None:
    """Prune the running branches that have become the longer half."""
    lost = [branch for branch in episode.active if late(branch, episode.branches)]
    if lost:
        episode.prune(lost)


def kept(branches: list[Branch]) -> dict[Answer, float]:
    """Return for each answer the smoothed share of the branches that gave it once and give it now."""
    ever, now = Counter(), Counter()
    for branch in branches:
        for answer in branch.seen:
            ever[answer] += 1
        answer = held(branch)
        if answer is not None:
            now[answer] += 1
    return {answer: (now[answer] + 0.5) / (max(ever[answer], now[answer]) + 0.5) for answer in ever}


def top(scores: dict[Answer, float]) -> tuple[Answer | None, float, float]:
    """Return the best answer, the first met among equals, its score, and the next one's."""
    if not scores:
        return None, 0.0, 0.0
    best = max(scores, key=lambda answer: scores[answer])
    rest = [score for answer, score in scores.items() if answer != best]
    return best, max(scores[best], 0.0), max([0.0, *rest])


def fallback(episode: Episode) -> Answer | None:
    """Return some answer where the vote has none."""
    winner = poll(branch.answer for branch in episode.branches).winner
    if winner is None:
        if episode.active:
            episode.finish(episode.active[:1])
        elif episode.open_slots:
            episode.read(1)
        winner = majority(branch.answer for branch in episode.branches)
    return winner


class RipeningVote(Controller):
    """Doubling cohorts in lockstep, with votes by steadiness, shortness and loyalty."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "start": round(3 + 5 * b),
            "width": min(64, round(3 * (64 / 3) ** b)),
            "sure": 0.70 + 0.26 * b,
            "trust": 1.0 - 0.7 * b,
        }

    def solve(self, episode: Episode) -> Answer | None:
        try:
            size = self.knobs["start"]
            while True:
                room = min(self.knobs["width"] - len(episode.branches), episode.open_slots)
                if room <= 0:
                    break
                episode.branch(min(size, room))
                while True:
                    retire(episode)
                    _, first, second = top(self.scores(episode))
                    if confidence(first, second) >= self.knobs["sure"]:
                        episode.note("stopped: the vote is ripe")
                        return self.answer(episode)
                    if not episode.active:
                        break
                    episode.advance(episode.active)
                size = len(episode.branches)
        except BudgetExceeded:
            episode.note("stopped: the budget is spent")
        return self.answer(episode)

    def answer(self, episode: Episode) -> Answer | None:
        winner = top(self.scores(episode))[0]
        return fallback(episode) if winner is None else winner

    def scores(self, episode: Episode) -> dict[Answer, float]:
        branches = episode.branches
        loyal = kept(branches)
        scores = dict[Answer, float]()
        for branch in branches:
            answer = held(branch)
            if answer is None:
                continue
            if branch.finished:
                longer = sum(1 for other in branches if other.depth >= branch.depth or other.pruned)
                risk = sum(
                    1 for other in branches if other.finished or other.pruned or other.depth >= branch.depth
                )
                weight = longer / risk
            else:
                weight = self.knobs["trust"] * dwell(branch)
            scores[answer] = scores.get(answer, 0.0) + weight * loyal.get(answer, 1.0) ** 2
        return scores
