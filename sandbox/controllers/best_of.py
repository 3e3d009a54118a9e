"""Best of n: decode n branches to their ends, and let a judge's scores decide (arXiv 2110.14168, 2206.02336).

Needs the signal `judge`: the score of a branch that has ended, in 0 … 1 for a model that judges.
"""

from autotts import Answer, Branch, Controller, Episode, majority, poll


class BestOf(Controller):
    """Takes the answer whose branches have the highest sum of scores, or that of the single best branch."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: one branch at β = 0, 64 at β = 1, linear in the logarithm.

        `weighted` = 1 sums the scores of each answer (weighted votes), 0 takes the best branch (best of n).
        """
        return {"branches": round(64**beta), "weighted": 1}

    def solve(self, episode: Episode) -> Answer | None:
        """Read all branches and take the answer with the best scores; the majority where none was scored."""
        branches = episode.read(min(self.knobs["branches"], episode.open_slots))
        scores = {branch.index: score(branch) for branch in branches}
        scored = [branch for branch in branches if scores[branch.index] is not None and branch.answer is not None]
        if not scored:
            return majority(branch.answer for branch in branches)
        weights = [scores[branch.index] or 0.0 for branch in scored]
        if self.knobs["weighted"] and max(weights) > 0:
            # Scores of reward models may be below 0: these are no votes against an answer. Where none is above 0, the
            # best one decides.
            return poll([branch.answer for branch in scored], [max(weight, 0.0) for weight in weights]).winner
        return scored[max(range(len(scored)), key=weights.__getitem__)].answer


def score(branch: Branch) -> float | None:
    """Return the judge's score of a branch; None where it has none."""
    values = [value for value in branch.signals["judge"] if value is not None]
    return values[-1] if values else None
