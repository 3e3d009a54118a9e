"""Early-stopping self-consistency: read windows of branches until one is unanimous (arXiv 2401.10480)."""

from sandbox.tts import Answer, Controller, Episode, majority


class EarlyStoppingSelfConsistency(Controller):
    """Stops at the first window whose branches all give one answer."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """One window at β = 0, eight at β = 1, of 8 branches each."""
        return {"max_branches": 8 * round(8**beta), "window": 8}

    def solve(self, episode: Episode) -> Answer | None:
        """Read window after window."""
        window = self.knobs["window"]
        answers: list[Answer | None] = []
        for _ in range(min(self.knobs["max_branches"], episode.open_slots) // window):
            branches = episode.read(window)
            seen = [branch.answer for branch in branches]
            answers += seen
            if len(set(seen)) == 1:
                return seen[0]
        return majority(answers)
