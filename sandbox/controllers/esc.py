"""Early-stopping self-consistency: read windows of branches until one is unanimous (arXiv 2401.10480)."""

from autotts import Answer, Controller, Episode, majority


class EarlyStoppingSelfConsistency(Controller):
    """Stops at the first window whose branches all give one answer."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: one window of 8 branches at β = 0, eight windows at β = 1."""
        return {"max_branches": 8 * round(8**beta), "window": 8}

    def solve(self, episode: Episode) -> Answer | None:
        """Read window after window until one is unanimous."""
        window = self.knobs["window"]
        for _ in range(min(self.knobs["max_branches"], episode.open_slots) // window):
            answers = {branch.answer for branch in episode.read(window)}
            if len(answers) == 1:
                return answers.pop()
        return majority(branch.answer for branch in episode.branches)
