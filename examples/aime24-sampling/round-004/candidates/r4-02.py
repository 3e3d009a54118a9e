"""Votes flow: a vote for an answer is passed on, in part, to the answers for which other branches left it.

New: the moves between answers that all branches make form one Markov chain for the question. Each branch puts its vote
on the answer that it holds; an answer keeps the share that its holders stand for against those who left it, and the rest
flows where they went, again and again. An early guess that the model keeps correcting thus feeds its correction, even
in branches that did not make that correction themselves. A pool of constant size is refilled while the settled flow is open.
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


PASSES = 12


class FlowingVote(Controller):
    """A refilled pool of branches, whose votes flow along the moves seen between answers."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "pool": round(3 + 5 * b),
            "width": min(64, round(3 * (64 / 3) ** b)),
            "sure": 0.70 + 0.27 * b,
            "trust": 1.0 - 0.7 * b,
        }

    def solve(self, episode: Episode) -> Answer | None:
        try:
            while True:
                room = min(self.knobs["width"] - len(episode.branches), episode.open_slots)
                places = min(self.knobs["pool"] - len(episode.active), room)
                if places > 0:
                    episode.branch(places)
                elif not episode.active:
                    break
                if episode.active:
                    episode.advance(episode.active)
                retire(episode)
                _, first, second = top(self.flow(episode))
                if confidence(first, second) >= self.knobs["sure"]:
                    episode.note("stopped: the flow has settled")
                    break
        except BudgetExceeded:
            episode.note("stopped: the budget is spent")
        winner = top(self.flow(episode))[0]
        return fallback(episode) if winner is None else winner

    def flow(self, episode: Episode) -> dict[Answer, float]:
        mass = dict[Answer, float]()
        moves = dict[Answer, Counter]()
        for branch in episode.branches:
            last = None
            for answer in branch.answers:
                if answer is None or not answer.parsed:
                    continue
                if last is not None and answer != last:
                    moves.setdefault(last, Counter())[answer] += 1
                last = answer
            answer = held(branch)
            if answer is not None:
                if last is not None and answer != last:
                    moves.setdefault(last, Counter())[answer] += 1
                weight = 1.0 if branch.finished else self.knobs["trust"] * dwell(branch)
                mass[answer] = mass.get(answer, 0.0) + weight
        stay = dict[Answer, float]()
        for answer, onward in moves.items():
            own = mass.get(answer, 0.0) + 0.5
            stay[answer] = own / (own + sum(onward.values()))
        settled = dict[Answer, float]()
        for _ in range(PASSES):
            passed = dict[Answer, float]()
            for answer, amount in mass.items():
                share = stay.get(answer, 1.0)
                settled[answer] = settled.get(answer, 0.0) + amount * share
                if share < 1.0:
                    total = sum(moves[answer].values())
                    for onward, count in moves[answer].items():
                        passed[onward] = passed.get(onward, 0.0) + amount * (1 - share) * count / total
            mass = passed
        return settled
