"""Short-m@k: decode k branches together, stop once m have ended, and let these vote (arXiv 2505.17813)."""

from autotts import Answer, Controller, Episode, poll


class FirstFinished(Controller):
    """Lets the first half of the branches to end vote, and pays no further for the others."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: one branch at β = 0, 64 at β = 1, linear in the logarithm; half of them are waited for."""
        branches = round(64**beta)
        return {"branches": branches, "first": (branches + 1) // 2}

    def solve(self, episode: Episode) -> Answer | None:
        """Advance all branches until enough have ended; those that ended in the last interval vote too."""
        live = episode.branch(min(self.knobs["branches"], episode.open_slots), probe=False)
        ended = [branch for branch in live if branch.finished]
        while len(ended) < self.knobs["first"] and (live := [branch for branch in live if not branch.finished]):
            episode.advance(live, probe=False)
            ended += [branch for branch in live if branch.finished]
        return poll(branch.answer for branch in ended).winner
