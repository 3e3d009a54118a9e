"""Plays a candidate on the grid of canaries, and reduces the results to bytes for comparison."""

from envdata.grid import Grid
from sandbox.backends.base import Backend, Limits
from sandbox.candidate import Candidate
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Player, Repeat
from sandbox.run_secret import new_secret


def repeats(count: int) -> list[Repeat]:
    """Return `count` repeats of the same questions, of which the first is traced; three run concurrently."""
    return [Repeat(0.0, 0, traced=True), *(Repeat(1.0, number) for number in range(count - 1))]


HONEST = Candidate(
    "honest",
    """
from sandbox.tts import Controller, majority

class Honest(Controller):
    @staticmethod
    def schedule(beta):
        return {"width": 2 + 2 * beta}

    def solve(self, episode):
        branches = episode.branch(int(self.knobs["width"]))
        episode.finish(branches)
        episode.note("done")
        return majority(branch.answer for branch in branches)
""",
)


def play(
    backend: Backend, candidate: Candidate, grid: Grid, limits: Limits, count: int = 3, secret: bytes | None = None
) -> list[PlayedRepeat]:
    """Play a candidate and return the played repeats in their order.

    Args:
        backend: The isolation backend.
        candidate: The candidate.
        grid: The grid.
        limits: Limits on the candidate.
        count: Number of repeats.
        secret: Secret of the run; a new one if None.

    Raises:
        InfrastructureError: The sandbox keeps failing by itself.
    """
    wanted = repeats(count)
    settings = EvaluationSettings(limits=limits, secret=secret or new_secret())
    played = Player(backend, candidate, grid, settings).play(wanted)
    return sorted(played, key=lambda one: wanted.index(one.repeat))


def fingerprint(played: list[PlayedRepeat]) -> bytes:
    """Return all scores and traces as bytes, to compare runs."""
    parts = []
    for one in played:
        result = one.result
        parts.append(repr((one.repeat, result.answer, result.why, one.trace.to_pydict() if one.trace else None)))
        parts += [repr(array.tolist()) for array in (result.status, result.correct, result.tokens, result.calls)]
    return "\n".join(parts).encode()
