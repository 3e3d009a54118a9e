"""Runs cases on a backend: the attack, and then an honest candidate, which must score as it does alone."""

from dataclasses import dataclass

from sandbox.backends.base import Backend
from sandbox.conformance import (
    carry_over,
    feedback,
    files,
    integrity,
    kernel,
    output,
    probes,
    reach,
    resources,
    side_channels,
)
from sandbox.conformance.case import PATIENT, Case, Observation
from sandbox.conformance.lifecycle import LIFECYCLE_CASES, LifecycleCase
from sandbox.conformance.playing import HONEST, fingerprint, play
from sandbox.conformance.targets import Targets
from sandbox.replay_player import PlayedRepeat
from sandbox.status import Status

CASES: tuple[Case, ...] = (
    *resources.CASES,
    *output.CASES,
    *reach.CASES,
    *integrity.CASES,
    *carry_over.CASES,
    *side_channels.CASES,
    *files.CASES,
    *kernel.CASES,
    *feedback.CASES,
    *probes.CASES,
)
"""All attacks, group after group."""


def cases_for(name: str) -> tuple[Case | LifecycleCase, ...]:
    """Return the cases that the backend called `name` has to pass."""
    return (*CASES, *(case for case in LIFECYCLE_CASES if case.only in ("", name)))


@dataclass(frozen=True)
class CaseOutcome:
    """Result of one case."""

    case: Case | LifecycleCase
    passed: bool
    why: str
    """Reason of the failure; empty where the case passed."""


class Suite:
    """Runs cases on one backend, against one set of targets."""

    def __init__(self, backend: Backend, targets: Targets) -> None:
        """Play the honest candidate once, for comparison."""
        self.backend, self._targets = backend, targets
        self._honest = fingerprint(play(backend, HONEST, targets.grid, PATIENT))

    def run(self, case: Case | LifecycleCase) -> CaseOutcome:
        """Run a case, then check that the honest candidate scores as before; return the result."""
        why = case.run(self.backend, self._targets) if isinstance(case, LifecycleCase) else self._attack(case)
        if not why and fingerprint(play(self.backend, HONEST, self._targets.grid, PATIENT)) != self._honest:
            why = "the next candidate did not score as it does alone"
        return CaseOutcome(case, not why, why)

    def _attack(self, case: Case) -> str:
        played = play(self.backend, self._targets.candidate(case), self._targets.grid, case.limits, case.repeats)
        return judge(case, observe(played))


def observe(played: list[PlayedRepeat]) -> Observation:
    """Return the observation of a case's repeats."""
    notes = [note for one in played if one.trace is not None for note in one.trace.column("note").to_pylist()]
    return Observation(
        statuses=frozenset(Status(code) for one in played for code in one.result.status.tolist()),
        whys=tuple(why for one in played for why in one.result.why.values()),
        tokens=tuple(tokens for one in played for tokens in one.result.tokens.tolist()),
        notes=tuple(note for note in notes if note is not None),
    )


def judge(case: Case, observation: Observation) -> str:
    """Return why a case failed, empty if it passed."""
    leaks = [why for why in observation.whys if "LEAK" in why]
    if leaks:
        return leaks[0]
    if not observation.statuses <= set(case.expected):
        reason = f": {observation.whys[0]}" if observation.whys else ""
        wanted = " or ".join(status.label for status in case.expected)
        return f"{', '.join(sorted(status.label for status in observation.statuses))} instead of {wanted}{reason}"
    secret = [text for text in (*observation.whys, *observation.notes) if "CANARY-" in text]
    if secret:
        return f"a canary in the results: {secret[0]}"
    return (case.check(observation) if case.check is not None else None) or ""
