"""The kept share of r2-01 tells who leads, the depth of settling and of the end of r4-02 how much lead, the price of a branch how wide."""

from collections import defaultdict

from autotts import Answer, Branch, Controller, Episode

STEADY = 12
"""Intervals after which an unchanged answer of an open branch counts as half a vote."""
HARD = 30
"""Intervals of settling and ending at which a question asks for the whole lead."""


class KeptPurse(Controller):
    """Whole branches vote by what they kept; the price and the depth of branches decide width and end."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the intervals that an episode may take, those of the first wave, the lead in votes that ends a hard episode, and its least share."""
        return {
            "purse": round(96 * (1 + 16**beta)),
            "first": round(1 + 7 * beta**2),
            "lead": round(2.9 * beta**0.9, 3),
            "easy": round(min(1.0, 2 * beta), 3),
        }

    def solve(self, episode: Episode) -> Answer | None:
        """Advance a wave side by side until the vote is clear or half has ended; then cut the rest and widen."""
        streaks = dict[int, int]()
        before = dict[int, Answer | None]()
        moved = episode.branch(self.knobs["first"])
        while True:
            for branch in moved:
                same = before.get(branch.index) == branch.answer and branch.answer is not None
                streaks[branch.index] = streaks.get(branch.index, 0) + 1 if same else 1
                before[branch.index] = branch.answer
            ended = sum(branch.finished for branch in episode.branches)
            winner, lead = self.lead(self.votes(episode.branches, streaks))
            opened = len(episode.branches)
            margin = self.margin(episode.branches, streaks, winner)
            if winner is not None and ended and lead >= margin:
                episode.note("stopped: the vote is clear")
                return winner
            active = episode.active
            if 2 * ended < opened and active:
                episode.advance(active)
                moved = active
                continue
            room = self.room(episode)
            if room < 1:
                return winner if winner is not None else self.fallback(episode)
            if active:
                episode.prune(active)
            need = min(1.0, max(0.2, 1 - lead / max(margin, 1e-9)))
            moved = episode.branch(min(room, max(1, round(2 * opened * need))))

    def room(self, episode: Episode) -> int:
        """Return how many branches more the rest of the purse pays for, at what those before have cost."""
        share = self.knobs["purse"] * episode.interval / episode.tokens - 1
        return min(episode.open_slots, round(share * len(episode.branches)))

    def margin(self, branches: list[Branch], streaks: dict[int, int], winner: Answer | None) -> float:
        """Return the lead in votes that is enough, by when the winner's branches settled on it and ended."""
        ended = [branch for branch in branches if branch.finished and branch.answer == winner]
        shortest = min((branch.depth for branch in ended), default=HARD)
        settled = min((branch.depth - streaks[branch.index] + 1 for branch in ended), default=HARD)
        return self.knobs["lead"] * max(self.knobs["easy"], (2 * settled * shortest) ** 0.5 / HARD)

    @staticmethod
    def lead(votes: dict[Answer, float]) -> tuple[Answer | None, float]:
        """Return the leading answer, and by how many votes it stands above the next one."""
        if not votes:
            return None, 0.0
        winner = max(votes, key=lambda answer: votes[answer])
        first = votes[winner]
        second = max((votes[answer] for answer in votes if answer != winner), default=0.0)
        return winner, first - second

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
        return {answer: vote * (now[answer] / max(1, ever[answer])) ** 1.5 for answer, vote in votes.items()}
