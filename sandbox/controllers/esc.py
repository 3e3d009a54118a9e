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
        most = min(self.knobs["max_branches"], episode.open_slots) // window * window
        # A window of its own is unanimous if the first answer has all votes, and the second none.
        branches = episode.read_until(most, [window], abreast=window, afresh=True)
        last = {branch.answer for branch in branches[-window:]}
        return last.pop() if len(last) == 1 else majority(branch.answer for branch in branches)
