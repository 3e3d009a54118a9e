"""Whole branches, in batches, until the leader is surely ahead.

What it does with a question:
- reads every branch to its end at once
- gives the shorter branches more weight: long ones have often lost their way
- stops when the leading answer is surely ahead of the second
- opens the next batch when the one before is read
"""

from sandbox.tts import Answer, Branch, BudgetExceeded, Controller, Episode, confidence, majority


class WholePosteriorBatches(Controller):
    """Whole branches, in batches, until the leader is surely ahead."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Every knob; each moves one way only, towards spending more."""
        return {
            "max_branches": round(64**beta),  # branches at most
            "brevity": 1,  # power with which length takes weight away
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
                    episode.finish(unread)
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
        return len(episode.read(max(0, size)))

    def is_clear(self, episode: Episode) -> bool:
        """Whether the vote decides the question, or nothing will."""
        leader, first, second = self.standing(episode)
        if leader is None:
            return False
        return confidence(round(first), round(second)) > self.knobs["sure"]

    def is_read(self, branch: Branch) -> bool:
        """Whether there is nothing more to learn from a branch."""
        return branch.finished

    def votes(self, branch: Branch) -> bool:
        """Branches that are read vote, if they have an answer at all."""
        return self.is_read(branch) and branch.answer is not None and branch.answer.parsed

    def tally(self, episode: Episode) -> dict[Answer, float]:
        """Weighted votes by answer; the weights are scaled to a mean of 1."""
        voters = [branch for branch in episode.branches if self.votes(branch)]
        weights = [self.weight(branch) for branch in voters]
        mean = sum(weights) / max(1, len(weights))
        counts: dict[Answer, float] = {}
        for branch, weight in zip(voters, weights):
            counts[branch.answer] = counts.get(branch.answer, 0) + weight / mean
        return counts

    def weight(self, branch: Branch) -> float:
        """Less for a longer branch."""
        return branch.depth ** -self.knobs["brevity"]

    def standing(self, episode: Episode) -> tuple[Answer | None, float, float]:
        """The leading answer, its votes, and those of the second."""
        counts = self.tally(episode)
        if not counts:
            return None, 0, 0
        leader = max(counts, key=counts.__getitem__)
        first = counts.pop(leader)
        return leader, first, max(counts.values(), default=0)
