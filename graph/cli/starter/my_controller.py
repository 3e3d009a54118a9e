"""Read branches in twos until the most frequent answer leads by enough votes."""

from autotts import Answer, Controller, Episode, poll


class MyController(Controller):
    """Stops when the leader is far enough ahead of the runner-up: change the rule, and evaluate again."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return every knob at β: monotone in β, and a larger β never spends less."""
        return {"max_branches": round(2 + 62 * beta), "margin": round(1 + 3 * beta)}

    def solve(self, episode: Episode) -> Answer | None:
        """Read two branches at a time to their ends, and vote."""
        # Answers are labels: they can be compared and counted. A call costs tokens, which episode.tokens adds up.
        answers: list[Answer | None] = []
        while len(answers) < self.knobs["max_branches"] and episode.open_slots:
            branches = episode.read(min(2, episode.open_slots))
            answers += [branch.answer for branch in branches]
            vote = poll(answers)
            if vote.votes - vote.runner_up >= self.knobs["margin"]:
                # Notes stand in the trace, and on the page of the run.
                episode.note(f"stopped: {vote.votes} against {vote.runner_up}")
                break
        return poll(answers).winner
