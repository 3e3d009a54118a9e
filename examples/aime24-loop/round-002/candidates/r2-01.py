"""Falling bar: the more of its width a question has already used, the less lead it must show; refuted answers sink.

Refines r1-02. A vote that is still open among many branches seldom changes with more, one among few often does: so the
confidence needed to stop falls from `sure` (few branches) to 3/4 (full width), and width can be larger at the same
cost. Votes fall with relative length squared, and an answer's support is multiplied by the squared share of the branches
that ever gave it and still do: departures of unfinished branches count against it.
"""

from math import ceil

from autotts import Answer, Controller, Episode, Poll, poll


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
