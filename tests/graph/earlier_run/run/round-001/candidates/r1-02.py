"""Beginnings of branches, in batches, until the leader is surely ahead.

What it does with a question:
- reads only the beginning of each branch, and takes the answer it would give there
- stops when the leading answer is surely ahead of the second
- opens the next batch when the one before is read
"""

from sandbox.tts import Answer, Branch, BudgetExceeded, Controller, Episode, confidence, majority


class PrefixPosteriorBatches(Controller):
    """Beginnings of branches, in batches, until the leader is surely ahead."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Every knob; each moves one way only, towards spending more."""
        return {
            "max_branches": round(64**beta),  # branches at most
            "depth": round(5 * 1.4**beta),  # intervals that are read of a branch
            "sure": 1 - 0.3 * 0.1**beta,  # probability that the leader is ahead
            "first": 1,  # branches opened at first
            "burst": 1,  # branches opened at a time later
        }

    def solve(self, episode: Episode) -> Answer | None:
        """Open, read and vote, until the vote is clear or nothing is left to read."""
        try:
            while not self.is_clear(episode):
                unread = [b for b in episode.branches if not (b.pruned or self.is_read(b))]
                if unread:
                    episode.advance(unread)
                elif not self.widen(episode):
                    break
        except BudgetExceeded:
            episode.note("the budget is spent")
        leader, _, _ = self.standing(episode)
        return majority(branch.answer for branch in episode.branches) if leader is None else leader

    def widen(self, episode: Episode) -> int:
        """Open more branches if there is room; returns how many."""
        size = self.knobs["burst"] if episode.branches else self.knobs["first"]
        size = min(size, self.knobs["max_branches"] - len(episode.branches), episode.open_slots)
        return len(episode.branch(max(0, size)))

    def is_clear(self, episode: Episode) -> bool:
        """Whether the vote decides the question, or nothing will."""
        leader, first, second = self.standing(episode)
        if leader is None:
            return False
        return confidence(round(first), round(second)) > self.knobs["sure"]

    def is_read(self, branch: Branch) -> bool:
        """Whether a branch is at its end, or was followed far enough."""
        return branch.finished or branch.depth >= self.knobs["depth"]

    def votes(self, branch: Branch) -> bool:
        """Branches that are read vote, if they have an answer at all."""
        return self.is_read(branch) and branch.answer is not None and branch.answer.parsed

    def tally(self, episode: Episode) -> dict[Answer, float]:
        """Votes by answer."""
        counts: dict[Answer, float] = {}
        for branch in episode.branches:
            if self.votes(branch):
                counts[branch.answer] = counts.get(branch.answer, 0) + 1
        return counts

    def standing(self, episode: Episode) -> tuple[Answer | None, float, float]:
        """The leading answer, its votes, and those of the second."""
        counts = self.tally(episode)
        if not counts:
            return None, 0, 0
        leader = max(counts, key=counts.__getitem__)
        first = counts.pop(leader)
        return leader, first, max(counts.values(), default=0)
