"""A race of answers to a post that deserters move back: the first with enough finishers wins, whatever the others have.

New: time itself ranks the answers. Branches run side by side, and the first answer to collect its number of finishers
wins, so that short branches decide without any weights; but each branch that once gave an answer and left it moves that
answer's own post further away. Width is paid for by dissent alone: each finisher that contradicts the leader
brings in two new runners, and agreement brings in none.
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


DESERTER = 0.5  # of a finisher, that each deserter costs


class MovingPost(Controller):
    """The first answer past its post wins; contradiction opens branches."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "start": round(3 + 4 * b),
            "width": min(64, round(3 * (64 / 3) ** b)),
            "post": 0.8 + 5.2 * b,
            "trust": 1.0 - 0.6 * b,
        }

    def solve(self, episode: Episode) -> Answer | None:
        counted = set[int]()
        owed = self.knobs["start"]
        try:
            while True:
                room = min(self.knobs["width"] - len(episode.branches), episode.open_slots)
                if not episode.active and owed <= 0:
                    owed = self.knobs["start"]
                entrants = min(owed, room)
                if entrants > 0:
                    episode.branch(entrants)
                    owed = 0
                elif not episode.active:
                    break
                if episode.active:
                    episode.advance(episode.active)
                claims = self.claims(episode)
                leader = self.leader(episode, claims)
                if leader is not None and claims[leader] >= self.knobs["post"]:
                    episode.note("stopped: past the post")
                    return leader
                for branch in episode.branches:
                    if branch.finished and branch.index not in counted:
                        counted.add(branch.index)
                        if held(branch) is None or held(branch) != leader:
                            owed += 2
                retire(episode)
        except BudgetExceeded:
            episode.note("stopped: the budget is spent")
        leader = self.leader(episode, self.claims(episode))
        return fallback(episode) if leader is None else leader

    def claims(self, episode: Episode) -> dict[Answer, float]:
        """Return how far each answer is: its finishers and steady runners less its deserters."""
        claims = dict[Answer, float]()
        for branch in episode.branches:
            answer = held(branch)
            if answer is not None:
                weight = 1.0 if branch.finished else self.knobs["trust"] * dwell(branch)
                claims[answer] = claims.get(answer, 0.0) + weight
        for branch in episode.branches:
            for answer in claims:
                if answer in branch.seen and answer != held(branch):
                    claims[answer] -= DESERTER
        return claims

    def leader(self, episode: Episode, claims: dict[Answer, float]) -> Answer | None:
        """Return the answer with the largest claim; among equals the one with the shortest finisher."""
        if not claims:
            return None
        first = dict[Answer, int]()
        for branch in episode.branches:
            answer = held(branch)
            if branch.finished and answer is not None:
                first[answer] = min(first.get(answer, branch.depth), branch.depth)
        never = 1 + max(branch.depth for branch in episode.branches)
        return max(claims, key=lambda answer: (claims[answer], -first.get(answer, never)))
