"""Held and refuted: an unfinished branch votes by how long it has held its answer; a left answer loses by each leaver.

Support of an answer = sum of votes (1 if ended, run / (run + h) if still held for `run` probes) times the share of the
branches that ever gave it and still do. A wrong attractor is left often, a right answer hardly ever, and both are seen
before any branch has ended, so easy questions stop before the first end. Width doubles at a fixed depth while the
support stays open although branches have ended; otherwise the pool deepens.
"""

from math import ceil

from autotts import Answer, Branch, Controller, Episode, Poll, poll


class HeldRefuted(Controller):
    """Votes by trajectory: held runs support, departures refute."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "start": round(2 * 3**beta),
            "width": round(2 * 32**beta),
            "sure": 0.78 + 0.205 * beta,
            "share": 0.25 + 0.25 * beta,
            "half": 4 + 6 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        knobs = self.knobs
        width = min(knobs["width"], episode.open_slots)
        sure = knobs["sure"]
        episode.branch(min(knobs["start"], width))
        while True:
            active = episode.active
            total = len(episode.branches)
            room = width - total
            low = min((branch.depth for branch in active), default=0)
            level = all(branch.depth == low for branch in active)
            if level:
                vote = self.vote(episode, 1.0)
                if vote.confidence >= sure:
                    episode.note("stopped: clear")
                    return vote.winner
            if not active:
                if room <= 0:
                    break
                episode.branch(min(room, total))
                continue
            ended = total - len(active)
            if level and ended >= ceil(total / 4) and self.vote(episode, None).confidence < sure:
                if room > 0:
                    episode.branch(min(room, total))
                    continue
                if ended >= ceil(knobs["share"] * total):
                    episode.note("stopped: share ended")
                    break
            episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode, 0.0).winner
        return self.vote(episode, 1.0).winner if winner is None else winner

    def vote(self, episode: Episode, held: float | None) -> Poll:
        """Support with held answers scaled by `held`; None counts them whole."""
        support: dict[Answer, float] = {}
        ever: dict[Answer, int] = {}
        kept: dict[Answer, int] = {}
        for branch in sorted(episode.branches, key=lambda each: (not each.finished, each.depth)):
            answer = branch.answer
            for each in branch.seen:
                ever[each] = ever.get(each, 0) + 1
            if answer is None or not answer.parsed:
                continue
            kept[answer] = kept.get(answer, 0) + 1
            weight = 1.0
            if not branch.finished and held is not None:
                run = self.run(branch)
                weight = held * run / (run + self.knobs["half"])
            if weight > 0:
                support[answer] = support.get(answer, 0.0) + weight
        return poll({answer: votes * (kept[answer] / max(1, ever.get(answer, 1))) for answer, votes in support.items()})

    def run(self, branch: Branch) -> int:
        count = 0
        for answer in reversed(branch.answers):
            if answer is None or answer != branch.answer:
                break
            count += 1
        return count
