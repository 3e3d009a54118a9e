"""Seconds: an unfinished branch may second or oppose an answer that an ended branch gave, with half a vote.

Refines r2-01. Held answers alone mislead (r1-03, r1-04), but once a branch has ended with an answer, the present answers
of the others tell whether it is confirmed: agreement stops the race at the first end instead of the third, and
disagreement opens the pool. The answer itself is still chosen by ended branches alone.
"""

from math import ceil

from autotts import Answer, Controller, Episode, Poll, poll


class FallingBar(Controller):
    """Depth against width by the projected vote, with a bar that falls as the pool fills."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": min(5, round(2 + 8 * beta)),
            "width": round(2 * 32 ** (beta**0.75)),
            "sure": 0.78 + 0.19 * beta,
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
            now = self.vote(episode)
            heard = self.vote(episode, projected=True, trust=0.5) if now.winner is not None else now
            if now.confidence >= bar or (heard.winner == now.winner and heard.confidence >= bar):
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

    def vote(self, episode: Episode, projected: bool = False, trust: float = 1.0) -> Poll:
        voters = [branch for branch in episode.branches if branch.finished or projected]
        voters.sort(key=lambda branch: branch.depth)
        ended = [branch.depth for branch in voters if branch.finished]
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
                weight = min(1.0, first / branch.depth) ** 2 * (kept[answer] / ever[answer]) ** 2
                if not branch.finished:
                    weight *= trust
                support[answer] = support.get(answer, 0.0) + weight
        return poll(support)
