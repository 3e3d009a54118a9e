"""Doubling waves; votes by brevity times the share that the answer kept of the branches that ever gave it."""

from collections import defaultdict

from autotts import Answer, Branch, Controller, Episode


class TrustedVotes(Controller):
    """Knows how much an answer is to be trusted: that branches keep it, and reach it early."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the most branches, those of the first wave, and the lead that ends an episode."""
        return {
            "width": round(2 * 32**beta),
            "first": round(4 + 4 * beta),
            "lead": round(0.8 + 1.2 * beta, 3),
        }

    def solve(self, episode: Episode) -> Answer | None:
        """Advance a wave side by side until the vote is clear or half has ended; then cut the rest and double."""
        width = min(self.knobs["width"], episode.open_slots)
        episode.branch(min(self.knobs["first"], width))
        while True:
            ended = [branch for branch in episode.branches if branch.finished]
            votes = self.votes(episode.branches, ended)
            winner, lead = self.lead(votes)
            opened = len(episode.branches)
            if len(ended) >= 2 and lead >= self.knobs["lead"]:
                episode.note("stopped: the vote is clear")
                return winner
            active = episode.active
            if 2 * len(ended) >= opened or not active:
                if opened >= width:
                    return winner if winner is not None else self.fallback(episode)
                if active:
                    episode.prune(active)
                new = min(width - opened, max(1, opened))
                episode.branch(new)
                continue
            episode.advance(active)

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
    def votes(branches: list[Branch], ended: list[Branch]) -> dict[Answer, float]:
        """Return the weight of each answer among the branches that ended."""
        votes = defaultdict[Answer, float](float)
        if not ended:
            return votes
        shortest = min(branch.depth for branch in ended)
        for branch in ended:
            if branch.answer is not None and branch.answer.parsed:
                votes[branch.answer] += (shortest / branch.depth) ** 2
        present = defaultdict[Answer, int](int)
        ever = defaultdict[Answer, int](int)
        for branch in branches:
            if branch.answer is not None and branch.answer.parsed:
                present[branch.answer] += 1
            for answer in branch.seen:
                ever[answer] += 1
        for answer in votes:
            votes[answer] *= (present[answer] / max(1, ever[answer])) ** 2
        return votes
