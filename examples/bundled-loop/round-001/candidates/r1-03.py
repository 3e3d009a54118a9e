"""Votes by trajectory: each branch is probed once or twice late on its way; the answers met there vote too, by half,
so a branch that settled before its end counts more, and one whose late probe already repeats the leader of several
others ends there instead of being read on."""

import math

from autotts import Answer, Controller, Episode


class LateProbes(Controller):
    """One late look is cheap; it tells settled branches from those that turn at the last moment."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": max(1, min(64, round(1.2 * 54**beta))), "lead": 1.3 + 0.9 * beta, "confirm": 1 + round(3 * beta)}

    def solve(self, episode: Episode) -> Answer | None:
        width = min(self.knobs["width"], episode.open_slots)
        while len(episode.branches) < width:
            n = len(episode.branches)
            for _ in range(min(max(1, n // 5), width - n)):
                self.follow(episode)
            votes = self.votes(episode)
            first, second = [*sorted(votes.values(), reverse=True)[:2], 0.0, 0.0][:2]
            if len(episode.branches) > 1 and first and (first - second) / math.sqrt(first + second) >= self.knobs["lead"]:
                break
        votes = self.votes(episode)
        return max(votes, key=lambda a: votes[a]) if votes else episode.branches[0].answer

    def follow(self, episode: Episode) -> None:
        votes = self.votes(episode)
        leader = max(votes, key=lambda a: votes[a]) if votes else None
        branch = episode.branch(1, probe=False)[0]
        while branch.active and branch.depth < 8:
            episode.advance(branch, probe=branch.depth == 7)
        if branch.active:
            if leader is not None and branch.answer == leader and votes[leader] >= self.knobs["confirm"]:
                episode.prune(branch)
            else:
                episode.finish(branch)

    def votes(self, episode: Episode) -> dict:
        votes: dict = {}
        for branch in episode.branches:
            met = [a for a in branch.answers if a is not None and a.parsed]
            if branch.pruned:
                met = met * 2
            final = branch.answer
            for answer in met[:-1]:
                votes[answer] = votes.get(answer, 0.0) + 0.35
            if final is not None and final.parsed:
                votes[final] = votes.get(final, 0.0) + 0.65
        return votes
