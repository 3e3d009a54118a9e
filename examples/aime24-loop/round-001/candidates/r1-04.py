"""Freeze the settled: a branch that has held its answer for r probes counts as ended there and costs nothing more.

Its own steadiness is its confidence: the verification after settling is what most tokens go to, and it hardly changes
right answers. Votes are weighted by how early the branch settled or ended, and by the share that an answer kept of the
branches that ever gave it. Tokens so saved open more branches at the same depth while the vote is open.
"""

from math import ceil

from autotts import Answer, Branch, Controller, Episode, Poll, poll


class Freeze(Controller):
    """Votes by self-made confidence: the run of equal probes."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 3**beta),
            "width": round(2 * 32**beta),
            "sure": 0.75 + 0.22 * beta,
            "share": 0.3 + 0.3 * beta,
            "hold": round(7 + 9 * beta),
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        sure = knobs["sure"]
        episode.branch(min(knobs["start"], width))
        while True:
            if self.vote(episode).confidence >= sure:
                episode.note("stopped: clear")
                break
            moving = [branch for branch in episode.active if not self.settled(branch)]
            total = len(episode.branches)
            room = width - total
            if not moving:
                if room <= 0:
                    break
                episode.branch(min(room, total))
                continue
            low = min(branch.depth for branch in moving)
            level = all(branch.depth == low for branch in moving)
            counted = total - len(moving)
            if level and counted >= ceil(total / 4):
                if room > 0:
                    episode.branch(min(room, total))
                    continue
                if counted >= ceil(knobs["share"] * total):
                    episode.note("stopped: share counted")
                    break
            episode.advance([branch for branch in moving if branch.depth == low])
        winner = self.vote(episode).winner
        return poll([branch.answer for branch in episode.branches]).winner if winner is None else winner

    def settled(self, branch: Branch) -> bool:
        answers, hold = branch.answers, self.knobs["hold"]
        last = branch.answer
        if last is None or not last.parsed or len(answers) < hold:
            return False
        return all(answer == last for answer in answers[-hold:])

    def vote(self, episode: Episode) -> Poll:
        counted = [branch for branch in episode.branches if branch.finished or self.settled(branch)]
        counted.sort(key=lambda branch: branch.depth)
        support: dict[Answer, float] = {}
        ever: dict[Answer, int] = {}
        kept: dict[Answer, int] = {}
        for branch in episode.branches:
            for each in branch.seen:
                ever[each] = ever.get(each, 0) + 1
            if branch.answer is not None:
                kept[branch.answer] = kept.get(branch.answer, 0) + 1
        for branch in counted:
            answer = branch.answer
            if answer is None or not answer.parsed:
                continue
            weight = min(1.0, counted[0].depth / branch.depth)
            support[answer] = support.get(answer, 0.0) + weight
        return poll({answer: votes * (kept[answer] / max(1, ever.get(answer, 1))) for answer, votes in support.items()})
