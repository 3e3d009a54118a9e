"""Playing one candidate on the grid of canaries, and what of it is compared."""

from envdata.grid import Grid
from sandbox.backends.base import Backend, Limits
from sandbox.candidate import Candidate
from sandbox.playing import PlayedRepeat, Player, Repeat, Settings

REPEATS = (Repeat(0.0, 0, traced=True), Repeat(1.0, 0), Repeat(1.0, 1))
"""Three workers, which run at the same time and share their questions."""

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


def play(backend: Backend, candidate: Candidate, grid: Grid, limits: Limits) -> list[PlayedRepeat]:
    """Play all repeats, in their order. Raises InfrastructureError if the sandbox fails by itself."""
    played = Player(backend, candidate, grid, Settings(limits=limits)).play(REPEATS)
    return sorted(played, key=lambda one: REPEATS.index(one.repeat))


def fingerprint(played: list[PlayedRepeat]) -> bytes:
    """Everything that was scored and traced, as bytes to compare."""
    parts = []
    for one in played:
        result = one.result
        parts.append(repr((one.repeat, result.answer, result.why, one.trace.to_pydict() if one.trace else None)))
        parts += [repr(array.tolist()) for array in (result.status, result.correct, result.tokens, result.calls)]
    return "\n".join(parts).encode()
