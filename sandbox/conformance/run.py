"""Runs cases against a backend: the attack, and then an honest candidate, which must score as it does alone."""

from dataclasses import dataclass

from sandbox.backends.base import Backend
from sandbox.conformance import carrying, feedback, files, integrity, kernel, output, probes, reach, resources
from sandbox.conformance.case import PATIENT, Case, Seen
from sandbox.conformance.lifecycle import TRIALS, Trial
from sandbox.conformance.targets import World
from sandbox.conformance.try_out import HONEST, fingerprint, play
from sandbox.playing import PlayedRepeat
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


def everything(name: str) -> tuple[Case | Trial, ...]:
    """What the backend called `name` has to pass."""
    return (*CASES, *(trial for trial in TRIALS if trial.only in ("", name)))


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    case: Case | Trial
    passed: bool
    why: str
    """Empty where it passed."""


class Suite:
    """Runs cases on one backend, in one world."""

    def __init__(self, backend: Backend, targets: World) -> None:
        """Plays the honest candidate once, for comparison."""
        self.backend, self._world = backend, targets
        self._honest = fingerprint(play(backend, HONEST, targets.grid, PATIENT))

    def run(self, case: Case | Trial) -> Outcome:
        """Run the attack and judge it, or try what is to be tried; then see that the next candidate runs as ever."""
        why = case.run(self.backend, self._world) if isinstance(case, Trial) else self._attack(case)
        if not why and fingerprint(play(self.backend, HONEST, self._world.grid, PATIENT)) != self._honest:
            why = "the next candidate did not score as it does alone"
        return Outcome(case, not why, why)

    def _attack(self, case: Case) -> str:
        played = play(self.backend, self._world.candidate(case), self._world.grid, case.limits)
        return judge(case, see(played))


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
