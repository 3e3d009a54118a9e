"""Waves of one fixed size, votes by settling: a branch counts by how early it settled on its answer for good, beside the answer’s kept share."""

from collections import defaultdict

from autotts import Answer, Branch, Controller, Episode

STEADY = 12
"""Intervals after which an unchanged answer of an open branch counts as half a vote."""
HARD = 20
"""Settling depth, in intervals, at which a question asks for the whole lead."""


class SettledVotes(Controller):
    """Knows the trajectory of each vote: early settled is trusted, late settled is a guess."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the most branches, those of the first wave, the lead in votes that ends a hard episode, and its least share."""
        return {
            "width": round(4 * 16**beta),
            "first": round(1 + 7 * beta**2),
            "lead": round(2.9 * beta**0.9, 3),
            "easy": round(min(1.0, 2 * beta), 3),
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
            margin = self.margin(episode.branches, streaks, winner)
            if winner is not None and ended and lead >= margin:
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
            need = min(1.0, max(0.2, 1 - lead / max(margin, 1e-9)))
            moved = episode.branch(min(width - opened, max(1, round(2 * opened * need))))

    def margin(self, branches: list[Branch], streaks: dict[int, int], winner: Answer | None) -> float:
        """Return the lead in votes that is enough, by how early a branch settled on the winner for good."""
        ended = [branch for branch in branches if branch.finished and branch.answer == winner]
        settled = min((branch.depth - streaks[branch.index] + 1 for branch in ended), default=HARD)
        return self.knobs["lead"] * max(self.knobs["easy"], settled / HARD)

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
        earliest = min(
            (branch.depth - streaks[branch.index] + STEADY for branch in branches if branch.finished), default=10**6
        )
        for branch in branches:
            for answer in branch.seen:
                ever[answer] += 1
            if branch.answer is None or not branch.answer.parsed:
                continue
            now[branch.answer] += 1
            settled = branch.depth - streaks[branch.index] + STEADY
            if branch.finished:
                votes[branch.answer] += earliest / settled
            elif branch.active:
                sure = min(1.0, streaks[branch.index] / STEADY) / 2
                votes[branch.answer] += sure * min(1.0, earliest / settled)
        return {answer: vote * now[answer] / max(1, ever[answer]) for answer, vote in votes.items()}
