"""Give up in time: at full width a quarter is enough, and the bar falls further than in r2-01.

Refines r2-01, where a fifth of the episodes took half of all tokens at full width and was almost never right. The bar
falls to 0.6 ... 0.7 at full width, no vote waits for more than the fast quarter of the pool, and the tokens saved give
the middle of the schedule more width.
"""

from math import ceil

from autotts import Answer, Controller, Episode, Poll, poll


class FallingBar(Controller):
    """Depth against width by the projected vote, with a bar that falls as the pool fills."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 2.5**beta),
            "width": round(2 * 32 ** (beta**0.75)),
            "sure": 0.76 + 0.2 * beta,
            "floor": 0.7 - 0.1 * (1 - beta),
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        episode.branch(min(knobs["start"], width))
        while True:
            active = episode.active
            total = len(episode.branches)
            room = width - total
            bar = knobs["sure"] + (knobs["floor"] - knobs["sure"]) * total / width
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
                episode.note("stopped: a quarter of the full pool ended")
                break
            episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode).winner
        return poll([branch.answer for branch in episode.branches]).winner if winner is None else winner

    def vote(self, episode: Episode, projected: bool = False) -> Poll:
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
                support[answer] = support.get(answer, 0.0) + weight
        return poll(support)
