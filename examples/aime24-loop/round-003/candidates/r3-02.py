"""Votes by trajectory: a vote weighs by when its answer was settled and when it ended, and by who left the answer.

The frame of r2-01; the weight falls with the square of end plus onset of the final answer, so that of two branches that
end together the one that knew its answer earlier counts more; the share kept counts with its cube, smoothed by one
branch, so that one departure from a rare answer is no verdict.
"""

from math import ceil

from autotts import Answer, Branch, Controller, Episode, Poll, poll


class FallingBar(Controller):
    """Depth against width by the projected vote, with a bar that falls as the pool fills."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 2.5**beta),
            "width": round(2 * 32 ** (beta**0.85)),
            "sure": 0.76 + 0.2 * beta,
            "share": 0.25 + 0.15 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        episode.branch(min(knobs["start"], width))
        while True:
            active = episode.active
            total = len(episode.branches)
            room = width - total
            bar = knobs["sure"] + (0.75 - knobs["sure"]) * total / width
            if self.vote(episode).confidence >= bar:
                episode.note("stopped: clear")
                break
            if not active:
                if room <= 0:
                    break
                episode.branch(min(room, total))
                continue
            low = min(branch.depth for branch in active)
            level = all(branch.depth == low for branch in active)
            ended = total - len(active)
            if level and ended >= ceil(total / 4) and self.vote(episode, projected=True).confidence < bar:
                if room > 0:
                    episode.branch(min(room, total))
                    continue
                if ended >= ceil(knobs["share"] * total):
                    episode.note("stopped: share ended")
                    break
            episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode).winner
        return poll([branch.answer for branch in episode.branches]).winner if winner is None else winner

    def vote(self, episode: Episode, projected: bool = False) -> Poll:
        voters = [branch for branch in episode.branches if branch.finished or projected]
        voters.sort(key=self.effort)
        ended = [self.effort(branch) for branch in voters if branch.finished]
        first = min(ended) if ended else 1
        ever: dict[Answer, int] = {}
        kept: dict[Answer, int] = {}
        for branch in episode.branches:
            for answer in branch.seen:
                ever[answer] = ever.get(answer, 0) + 1
                kept[answer] = kept.get(answer, 0) + (branch.answer == answer)
        support: dict[Answer, float] = {}
        for branch in voters:
            answer = branch.answer
            if answer is not None and answer.parsed and kept.get(answer):
                weight = min(1.0, first / self.effort(branch)) ** 2 * ((kept[answer] + 1) / (ever[answer] + 1)) ** 3
                support[answer] = support.get(answer, 0.0) + weight
        return poll(support)

    def effort(self, branch: Branch) -> float:
        """Depth at the end, and the depth at which the answer was settled: both are early for right branches."""
        run = 0
        for answer in reversed(branch.answers):
            if answer is None or answer != branch.answer:
                break
            run += 1
        return branch.depth + (branch.depth - run)
