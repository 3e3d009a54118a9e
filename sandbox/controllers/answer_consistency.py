"""Answer consistency: follow one chain until its probed answer has stayed the same k times in a row."""

from autotts import Answer, Controller, Episode


class AnswerConsistency(Controller):
    """Depth alone: one branch, stopped once its answer no longer changes."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return k, the equal answers in a row: 1 at β = 0, 14 at β = 1."""
        return {"k": round(1 + 13 * beta)}

    def solve(self, episode: Episode) -> Answer | None:
        """Advance the branch until its answer was the same k times in a row."""
        (branch,) = episode.branch()
        latest, run = branch.answer, 1
        while run < self.knobs["k"] and not branch.finished:
            episode.advance(branch)
            run = run + 1 if branch.answer is latest else 1
            latest = branch.answer
        return latest
