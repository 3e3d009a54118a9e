"""r1-04 whose open branches confirm: a steady present answer counts half, one end suffices, and cut branches still testify to what is kept."""

from collections import defaultdict

from autotts import Answer, Branch, Controller, Episode

STEADY = 12
"""Intervals after which an unchanged answer of an open branch counts as half a vote."""


class Confirmed(Controller):
    """Knows that the present answers of branches that did not end confirm or doubt the first that do."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the most branches, those of the first wave, and the lead that ends an episode."""
        return {
            "width": round(3 * (64 / 3) ** beta),
            "first": round(2 + 6 * beta),
            "lead": round(0.7 + 0.9 * beta, 3),
        }

    def solve(self, episode: Episode) -> Answer | None:
        """Advance a wave side by side until the vote is clear or half has ended; then cut the rest and widen."""
        width = min(self.knobs["width"], episode.open_slots)
        streaks = dict[int, int]()
        before = dict[int, Answer | None]()
        moved = episode.branch(min(self.knobs["first"], width))
        while True:
            for branch in moved:
                same = before.get(branch.index) == branch.answer and branch.answer is not None
                streaks[branch.index] = streaks.get(branch.index, 0) + 1 if same else 1
                before[branch.index] = branch.answer
            ended = sum(branch.finished for branch in episode.branches)
            winner, lead = self.lead(self.votes(episode.branches, streaks))
            opened = len(episode.branches)
            if ended and lead >= self.knobs["lead"]:
                episode.note("stopped: the vote is clear")
                return winner
            active = episode.active
            if 2 * ended < opened and active:
                episode.advance(active)
                moved = active
                continue
            if opened >= width:
                return winner if winner is not None else self.fallback(episode)
            if active:
                episode.prune(active)
            moved = episode.branch(min(width - opened, max(1, opened)))

    @staticmethod
    def lead(votes: dict[Answer, float]) -> tuple[Answer | None, float]:
        """Return the leading answer, and how many standard deviations it stands above the next one."""
        if not votes:
            return None, 0.0
        winner = max(votes, key=lambda answer: votes[answer])
        first = votes[winner]
        second = max((votes[answer] for answer in votes if answer != winner), default=0.0)
        return winner, (first - second) / max(first + second, 1e-9) ** 0.5

    @staticmethod
    def fallback(episode: Episode) -> Answer | None:
        """Return any answer where no branch that ended gave one."""
        known = [branch.answer for branch in episode.branches if branch.answer is not None]
        parsed = [answer for answer in known if answer.parsed]
        return (parsed or known or [None])[0]

    @staticmethod
    def votes(branches: list[Branch], streaks: dict[int, int]) -> dict[Answer, float]:
        """Return the weight of each answer."""
        votes = defaultdict[Answer, float](float)
        now = defaultdict[Answer, int](int)
        ever = defaultdict[Answer, int](int)
        shortest = min((branch.depth for branch in branches if branch.finished), default=10**6)
        for branch in branches:
            for answer in branch.seen:
                ever[answer] += 1
            if branch.answer is None or not branch.answer.parsed:
                continue
            now[branch.answer] += 1
            if branch.finished:
                votes[branch.answer] += shortest / branch.depth
            elif branch.active:
                sure = min(1.0, streaks[branch.index] / STEADY) / 2
                votes[branch.answer] += sure * min(1.0, shortest / branch.depth)
        return {answer: vote * now[answer] / max(1, ever[answer]) for answer, vote in votes.items()}
