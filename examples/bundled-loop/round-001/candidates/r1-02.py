"""Votes by length relative to the episode's own median: overlong branches, which are the ones that erred, count less,
and the recorded confidence weighs mildly; waves go on until the weighted lead, in standard deviations, is clear."""

import math
from statistics import median

from autotts import Answer, Controller, Episode


class Lengths(Controller):
    """Branches are read one by one, so the bill tells each one's exact length."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": max(1, min(64, round(1.2 * 54**beta))), "lead": 1.3 + 0.9 * beta}

    def solve(self, episode: Episode) -> Answer | None:
        width = min(self.knobs["width"], episode.open_slots)
        lengths: list[int] = []
        while len(lengths) < width:
            before = episode.tokens
            episode.read(1)
            lengths.append(episode.tokens - before)
            votes = self.votes(episode, lengths)
            first, second = [*sorted(votes.values(), reverse=True)[:2], 0.0, 0.0][:2]
            if first and (first - second) / math.sqrt(first + second) >= self.knobs["lead"]:
                break
        votes = self.votes(episode, lengths)
        return max(votes, key=lambda a: votes[a]) if votes else episode.branches[0].answer

    def votes(self, episode: Episode, lengths: list[int]) -> dict:
        middle = median(lengths)
        votes: dict = {}
        for branch, length in zip(episode.branches, lengths):
            if branch.answer is not None and branch.answer.parsed:
                weight = 1 / (1 + 0.3 * max(0, length - middle))
                if branch.confidence is not None:
                    weight *= 0.6 + 0.4 * math.exp(min(0.0, branch.confidence))
                votes[branch.answer] = votes.get(branch.answer, 0.0) + weight
        return votes
