"""What a case is: a controller that attacks, and how its episodes must end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent, indent

from sandbox.backends.base import Limits
from sandbox.status import Status


class Group(StrEnum):
    """What a case is about."""

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
    Group.RESOURCES: "Time, memory and processes are limited, and the limit is named",
    Group.OUTPUT: "Floods, noise and forged frames end the candidate alone",
    Group.SECRETS: "Nothing of the host can be read",
    Group.NETWORK: "There is no network",
    Group.INTEGRITY: "Nothing unrevealed is found, no cost or answer forged, nothing carried over",
    Group.FILES: "No file can be written or executed",
    Group.KERNEL: "The kernel and other processes are out of reach",
    Group.FEEDBACK: "A candidate's text arrives quoted",
    Group.LIFECYCLE: "A death from outside is no score, nothing is left, equal seeds give equal bytes",
}
"""What the cases of each group prove together."""

QUICK = Limits(reply_seconds=1.0, repeat_seconds=20.0)
"""For cases that hang: a timeout is waited for."""

PATIENT = Limits(reply_seconds=60.0)
"""For all others: a machine that is busy must not make them time out."""

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
class Seen:
    """What the host saw of a played case."""

    statuses: frozenset[Status]
    """Over all episodes of all repeats."""
    whys: tuple[str, ...]
    tokens: tuple[int, ...]
    """Of each episode."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One attack. It is written so that it ends as `expected` where every defence holds.

    An attack that succeeds raises with LEAK in its message; that fails the case whatever is expected.
    """

    name: str
    group: Group
    source: str
    expected: tuple[Status, ...] = (Status.OK,)
    """Each episode must end as one of these."""
    limits: Limits = PATIENT
    check: Callable[[Seen], str | None] | None = None
    """Says what is wrong with what was seen beyond statuses; None if nothing is."""
    slow: bool = False
    """Whether it takes seconds: a limit on time has to run out."""


def attack(body: str, top: str = "") -> str:
    """The source of a controller whose `solve` does `body`, after the statements `top` at import."""
    return PRELUDE + dedent(top) + SOLVER + indent(dedent(body).strip("\n"), " " * 8) + "\n        return None\n"


def refusals(name: str, group: Group, imports: str, attempts: Sequence[str]) -> Case:
    """A case in which each attempt, an expression, must raise."""
    body = "\n".join(f"refused(lambda: {attempt})" for attempt in attempts)
    return Case(name, group, attack(body, f"import {imports}"))
