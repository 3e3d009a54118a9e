"""Runs cases against a backend: the attack, and then an honest candidate, which must score as it does alone."""

from dataclasses import dataclass

from envdata.grid import Grid
from sandbox.backends.base import Backend, Limits
from sandbox.candidate import Candidate
from sandbox.conformance import carrying, feedback, files, integrity, kernel, output, probes, reach, resources
from sandbox.conformance.case import PATIENT, Case, Seen
from sandbox.conformance.targets import World
from sandbox.playing import PlayedRepeat, Player, Repeat, Settings
from sandbox.status import Status

CASES: tuple[Case, ...] = (
    *resources.CASES,
    *output.CASES,
    *reach.CASES,
    *integrity.CASES,
    *carrying.CASES,
    *files.CASES,
    *kernel.CASES,
    *feedback.CASES,
    *probes.CASES,
)
"""All of them, group after group."""

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


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    case: Case
    passed: bool
    why: str
    """Empty where it passed."""


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


class Suite:
    """Runs cases on one backend, in one world."""

    def __init__(self, backend: Backend, targets: World) -> None:
        """Plays the honest candidate once, for comparison."""
        self.backend, self._world = backend, targets
        self._honest = fingerprint(play(backend, HONEST, targets.grid, PATIENT))

    def run(self, case: Case) -> Outcome:
        """Run the attack and judge it; then see that the next candidate runs as ever."""
        played = play(self.backend, self._world.candidate(case), self._world.grid, case.limits)
        why = judge(case, see(played))
        if not why and fingerprint(play(self.backend, HONEST, self._world.grid, PATIENT)) != self._honest:
            why = "the next candidate did not score as it does alone"
        return Outcome(case, not why, why)


def see(played: list[PlayedRepeat]) -> Seen:
    """What a case's repeats came to."""
    notes = [note for one in played if one.trace is not None for note in one.trace.column("note").to_pylist()]
    return Seen(
        statuses=frozenset(Status(code) for one in played for code in one.result.status.tolist()),
        whys=tuple(why for one in played for why in one.result.why.values()),
        tokens=tuple(tokens for one in played for tokens in one.result.tokens.tolist()),
        notes=tuple(note for note in notes if note is not None),
    )


def judge(case: Case, seen: Seen) -> str:
    """Why a case failed, empty if it passed."""
    leaks = [why for why in seen.whys if "LEAK" in why]
    if leaks:
        return leaks[0]
    if not seen.statuses <= set(case.expected):
        said = f": {seen.whys[0]}" if seen.whys else ""
        wanted = " or ".join(status.label for status in case.expected)
        return f"{', '.join(sorted(status.label for status in seen.statuses))} instead of {wanted}{said}"
    secret = [text for text in (*seen.whys, *seen.notes) if "CANARY-" in text]
    if secret:
        return f"a canary in the results: {secret[0]}"
    return (case.check(seen) if case.check is not None else None) or ""
