"""A panel of lenses: the same branches are counted in four ways, and where the ways disagree the question is hard.

New: instead of one weight for a branch, four votes stand side by side: by heads, by order of ending (the i-th to end
weighs 1/i), by how early a branch settled, and by loyalty to the answer. The leader of their mean must win
under the least favourable lens before the episode may stop; the lenses that dissent set how many branches are opened next.
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


class Panel(Controller):
    """Stop when every lens sees the same winner; each dissenting lens widens the next batch."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "start": round(3 + 4 * b),
            "width": min(64, round(3 * (64 / 3) ** b)),
            "sure": 0.68 + 0.27 * b,
            "trust": 1.0 - 0.7 * b,
        }

    def solve(self, episode: Episode) -> Answer | None:
        size = self.knobs["start"]
        try:
            while True:
                room = min(self.knobs["width"] - len(episode.branches), episode.open_slots)
                if room <= 0:
                    break
                episode.branch(min(size, room))
                while True:
                    retire(episode)
                    lenses = self.lenses(episode)
                    leader = self.leader(lenses)
                    if self.least_sure(lenses, leader) >= self.knobs["sure"]:
                        episode.note("stopped: every lens sees it")
                        return leader
                    if not episode.active:
                        break
                    episode.advance(episode.active)
                dissent = sum(1 for lens in lenses if top(lens)[0] != leader)
                size = self.knobs["start"] * (1 + dissent)
        except BudgetExceeded:
            episode.note("stopped: the budget is spent")
        leader = self.leader(self.lenses(episode))
        return fallback(episode) if leader is None else leader

    def lenses(self, episode: Episode) -> list[dict[Answer, float]]:
        """Return the four votes, each with the same sum of weights."""
        voters = [branch for branch in episode.branches if held(branch) is not None]
        if not voters:
            return []
        loyal = kept(episode.branches)
        ends = sorted(branch.depth for branch in voters if branch.finished)
        settled = {branch.index: self.settled(branch) for branch in voters}
        starts = sorted(settled.values())
        heads, speed, early, loyalty = ({} for _ in range(4))
        for branch in voters:
            answer = held(branch)
            weight = 1.0 if branch.finished else self.knobs["trust"] * dwell(branch)
            behind = sum(1 for end in ends if end < branch.depth) if branch.finished else len(ends)
            before = sum(1 for start in starts if start < settled[branch.index])
            for lens, factor in (
                (heads, 1.0),
                (speed, 1.0 / (1 + behind)),
                (early, 1.0 - before / len(starts)),
                (loyalty, loyal.get(answer, 1.0) ** 3),
            ):
                lens[answer] = lens.get(answer, 0.0) + weight * factor
        total = sum(heads.values())
        panel = []
        for lens in (heads, speed, early, loyalty):
            mass = sum(lens.values())
            panel.append({answer: score * total / mass for answer, score in lens.items()} if mass > 0 else dict(heads))
        return panel

    def settled(self, branch: Branch) -> int:
        """Return the depth since which the branch has held its answer."""
        depth = branch.depth
        for answer in reversed(branch.answers):
            if answer is None or answer != branch.answer:
                break
            depth -= 1
        return depth

    def leader(self, lenses: list[dict[Answer, float]]) -> Answer | None:
        mean = dict[Answer, float]()
        for lens in lenses:
            for answer, score in lens.items():
                mean[answer] = mean.get(answer, 0.0) + score
        return top(mean)[0]

    def least_sure(self, lenses: list[dict[Answer, float]], leader: Answer | None) -> float:
        """Return the confidence in the leader under the lens that likes it least."""
        if leader is None:
            return 0.0
        least = 1.0
        for lens in lenses:
            rival = max([0.0, *(score for answer, score in lens.items() if answer != leader)])
            least = min(least, confidence(lens.get(leader, 0.0), rival))
        return least
