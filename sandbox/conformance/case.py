"""A conformance case: a controller that attacks, and the statuses with which its episodes must end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent, indent

from sandbox.backends.base import Limits
from sandbox.status import Status


class CaseGroup(StrEnum):
    """Groups of cases, by what they attack."""

    RESOURCES = "resources"
    OUTPUT = "output"
    SECRETS = "secrets"
    NETWORK = "network"
    INTEGRITY = "integrity"
    FILES = "files"
    KERNEL = "kernel"
    FEEDBACK = "feedback"
    LIFECYCLE = "lifecycle"


GUARANTEES = {
    CaseGroup.RESOURCES: "Time, memory and processes are limited, and the limit is named",
    CaseGroup.OUTPUT: "Floods, noise and forged frames end the candidate alone",
    CaseGroup.SECRETS: "Nothing of the host can be read",
    CaseGroup.NETWORK: "There is no network",
    CaseGroup.INTEGRITY: "Nothing unrevealed is found, no cost or answer forged, nothing carried over",
    CaseGroup.FILES: "No file can be written or executed",
    CaseGroup.KERNEL: "The kernel and other processes are out of reach",
    CaseGroup.FEEDBACK: "A candidate's text arrives quoted",
    CaseGroup.LIFECYCLE: "A death from outside is no score, nothing is left, equal seeds give equal bytes",
}
"""The guarantee that the cases of each group prove together."""

QUICK = Limits(reply_seconds=1.0, repeat_seconds=20.0)
"""Limits for cases that run into a timeout."""

PATIENT = Limits(reply_seconds=60.0)
"""Limits for all other cases: they must not time out on a busy machine."""

PRELUDE = '''\
from sandbox.tts import Answer, Controller, majority


def refused(act, *arguments):
    """Pass if the attack raises; say so loudly if it does not."""
    try:
        got = act(*arguments)
    except BaseException:
        return
    raise RuntimeError(f"LEAK: {act} {arguments} gave {got!r}")


def denied_is_error(result):
    """Raise if a C function says -1."""
    if result == -1:
        raise OSError("refused")
    return result


def denied(result):
    """Pass if a C function says -1."""
    if result != -1:
        raise RuntimeError(f"LEAK: a call gave {result}")

'''

SOLVER = '''

class Hostile(Controller):
    """Attacks."""

    @staticmethod
    def schedule(beta):
        return {"width": 2}

    def solve(self, episode):
'''


@dataclass(frozen=True)
class Observation:
    """The host's results of a played case."""

    statuses: frozenset[Status]
    """Statuses of all episodes of all repeats."""
    whys: tuple[str, ...]
    """Reasons of the failed episodes."""
    tokens: tuple[int, ...]
    """Tokens of each episode."""
    notes: tuple[str, ...]
    """Notes in the traces."""


@dataclass(frozen=True)
class Case:
    """One attack, written so that its episodes end as `expected` if every defence holds.

    An attack that succeeds raises an error with LEAK in its message, which fails the case whatever is expected.
    """

    name: str
    group: CaseGroup
    source: str
    expected: tuple[Status, ...] = (Status.OK,)
    """Each episode must end as one of these."""
    limits: Limits = PATIENT
    check: Callable[[Observation], str | None] | None = None
    """Returns what else is wrong with the observation, None if nothing is."""
    slow: bool = False
    """Whether it takes seconds, because a time limit has to run out."""
    repeats: int = 3
    """Number of workers that play it; the first few run concurrently, others after them."""


def unquoted(observation: Observation) -> str | None:
    """Return a message about a reason or note that is not one short printable line, None if all are."""
    for text in (*observation.whys, *observation.notes):
        if not text.isprintable() or len(text) > 600:
            return f"text that is not quoted: {text[:100]!r}"
    return None


def attack(body: str, top: str = "") -> str:
    """Return the source of a controller whose `solve` does `body`, after the statements `top` at import."""
    return PRELUDE + dedent(top) + SOLVER + indent(dedent(body).strip("\n"), " " * 8) + "\n        return None\n"


def refusals(name: str, group: CaseGroup, imports: str, attempts: Sequence[str]) -> Case:
    """Return a case in which each attempt, a Python expression, must raise.

    Args:
        name: Name of the case.
        group: Its group.
        imports: Names to import, after `import `.
        attempts: The expressions.
    """
    body = "\n".join(f"refused(lambda: {attempt})" for attempt in attempts)
    return Case(name, group, attack(body, f"import {imports}"))
