"""Votes by confidence, standardised within the episode: a branch weighs by how sure it is of its final answer beside the
other branches of this question, and two sure ones that agree end the episode sooner than two unsure ones."""

import math

from autotts import Answer, Controller, Episode


class SureVotes(Controller):
    """The weighted lead decides on further waves; the confidence comes free with the end of a branch."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": max(1, min(64, round(1.2 * 54**beta))), "lead": 1.3 + 0.9 * beta}

    def solve(self, episode: Episode) -> Answer | None:
        width = min(self.knobs["width"], episode.open_slots)
        while len(episode.branches) < width:
            n = len(episode.branches)
            episode.read(min(max(1, n // 5), width - n))
            votes = self.votes(episode)
            first, second = [*sorted(votes.values(), reverse=True)[:2], 0.0, 0.0][:2]
            if n and first and (first - second) / math.sqrt(first + second) >= self.knobs["lead"]:
                break
        votes = self.votes(episode)
        b = episode.branches
        episode.note("confidence " + " ".join(f"{x.confidence:.3f}" if x.confidence is not None else "-" for x in b[:12]))
        return max(votes, key=lambda a: votes[a]) if votes else b[0].answer

    def votes(self, episode: Episode) -> dict:
        known = [x.confidence for x in episode.branches if x.confidence is not None]
        mean = sum(known) / len(known) if known else 0.0
        spread = math.sqrt(sum((x - mean) ** 2 for x in known) / len(known)) + 0.05 if known else 1.0
        votes: dict = {}
        for branch in episode.branches:
            if branch.answer is not None and branch.answer.parsed:
                z = (branch.confidence - mean) / spread if branch.confidence is not None else 0.0
                votes[branch.answer] = votes.get(branch.answer, 0.0) + 2 / (1 + math.exp(-1.2 * z))
        return votes
