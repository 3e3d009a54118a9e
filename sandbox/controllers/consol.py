"""ConSol: read branches one by one until a sequential probability ratio test is decided (arXiv 2503.17587)."""

import math

from autotts import Answer, Controller, Episode, Tally


class SequentialTest(Controller):
    """Tests whether the leader gets more than half of the votes of the two most frequent answers, as Wald does.

    The authors calibrate a mixture of such tests; this one has a single alternative, `share`.
    """

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: up to 1 branch at β = 0, up to 64 at β = 1, linear in the logarithm."""
        return {"max_branches": round(64**beta), "share": 0.75, "error": 0.05}

    def solve(self, episode: Episode) -> Answer | None:
        """Read branches until the likelihood ratio of `share` to one half leaves the bounds of the error rate."""
        share, error = self.knobs["share"], self.knobs["error"]
        bound = math.log((1 - error) / error)
        tally = Tally()
        for _ in range(min(self.knobs["max_branches"], episode.open_slots)):
            tally.add(branch.answer for branch in episode.read())
            vote = tally.poll()
            if abs(vote.votes * math.log(2 * share) + vote.runner_up * math.log(2 - 2 * share)) >= bound:
                break
        return tally.poll().winner
