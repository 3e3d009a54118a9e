"""Answer consistency: follow one chain until its probed answer has stayed the same k times in a row."""

from sandbox.tts import Answer, Controller, Episode


class AnswerConsistency(Controller):
    """Depth alone: one branch, stopped once its answer has settled."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """1 equal answer at β = 0, 14 in a row at β = 1."""
        return {"k": round(1 + 13 * beta)}

    def solve(self, episode: Episode) -> Answer | None:
        """Step and compare."""
        (branch,) = episode.branch()
        latest, run = branch.answer, 1
        while run < self.knobs["k"] and not branch.finished:
            taken = episode.rounds(branch, self.knobs["k"] - run, leader=latest)
            run = run + taken if branch.answer == latest else 1
            latest = branch.answer
        return latest
