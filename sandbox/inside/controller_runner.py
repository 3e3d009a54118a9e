"""Runs controllers written against `sandbox.tts`: finds the class, gets its schedule, plays an episode."""

from numbers import Integral, Real
from types import ModuleType
from typing import Any

from sandbox import tts
from sandbox.inside import constraints
from sandbox.inside.errors import BrokenCandidate, describe_error, safely
from sandbox.inside.wire import MAX_KNOB, MAX_KNOBS
from sandbox.link import Link
from sandbox.status import Status

RENAMING = 63
"""In a job that renumbers labels, a label's number is combined with this by exclusive or: a permutation of 0 … 63."""


class RenamedLabels(list[tts.Answer]):
    """An episode's labels, with other numbers for the controller than for the host."""

    def append(self, answer: tts.Answer) -> None:
        """Add a new label at the host's number, renumbered for the controller."""
        super().append(tts.Answer(int(answer) ^ RENAMING, answer.parsed, answer.text))


class NativeCandidate:
    """A file's one subclass of Controller (`sandbox.inside.player.Playable`)."""

    def __init__(self, module: ModuleType) -> None:
        """Find the class in the candidate's module. Raises BrokenCandidate if there is none, or several."""
        found = [
            value
            for value in list(module.__dict__.values())
            if isinstance(value, type) and issubclass(value, tts.Controller) and value.__module__ == module.__name__
        ]
        distinct = list(dict.fromkeys(found))
        leaves = [one for one in distinct if not any(other is not one and issubclass(other, one) for other in distinct)]
        if len(leaves) != 1:
            names = ", ".join(one.__name__ for one in leaves) or "none"
            raise BrokenCandidate(
                Status.CONTRACT_ERROR, f"the file must define one subclass of Controller; it defines {names}"
            )
        abstract = sorted(getattr(leaves[0], "__abstractmethods__", ()))
        if abstract:
            raise BrokenCandidate(Status.CONTRACT_ERROR, f"{leaves[0].__name__} does not define {', '.join(abstract)}")
        self.controller = leaves[0]
        self.name = str(leaves[0].__name__)
        self._knobs: dict[str, float] = {}

    def schedule(self, beta: float, settings: dict[str, float]) -> dict[str, float]:
        """Return the knobs at β, overridden by the settings.

        Raises BrokenCandidate if the schedule raises or is invalid, or a setting names no knob.
        """
        try:
            knobs = _numbers(beta, self.controller.schedule(beta))
        except BrokenCandidate:
            raise
        except BaseException as error:
            raise BrokenCandidate(Status.CONTRACT_ERROR, f"schedule({beta}) raised {describe_error(error)}") from None
        if len(knobs) > MAX_KNOBS or not all(name.isidentifier() and len(name) <= 100 for name in knobs):
            why = f"schedule({beta}) has more than {MAX_KNOBS} knobs, or one whose name is not a short identifier"
            raise BrokenCandidate(Status.CONTRACT_ERROR, why)
        unknown = [name for name in settings if name not in knobs]
        if unknown:
            known = ", ".join(knobs)
            raise BrokenCandidate(Status.CONTRACT_ERROR, f"no knob is called {unknown[0]!r}; the schedule has {known}")
        return {**knobs, **settings}

    def prepare(self, job: dict[str, Any]) -> None:
        """Compute the knobs of all episodes of a job. Raises BrokenCandidate as `schedule` does."""
        self._knobs = self.schedule(job["beta"], job["settings"])

    def play(self, link: Link, number: int, job: dict[str, Any]) -> int | None:
        """Play one episode and return its answer's label, None for no answer.

        Raises BrokenCandidate for a return value that is no answer of this episode, and whatever `solve` raises.
        """
        seed, ceiling, question = job["episodes"][number]
        signals = job.get("signals", ())
        episode = tts.Episode(link, number, ceiling, job["interval"], job["budget"], seed, question, signals)
        if job.get("renamed"):
            episode._labels = RenamedLabels()
        answer = constraints.solve(self.controller(self._knobs), episode, job.get("constraints", {}))
        if answer is None:
            return None
        if type(answer) is not tts.Answer or not any(answer is label for label in episode._labels):
            what = f"{type(answer).__name__} {safely(answer)}"
            raise BrokenCandidate(
                Status.CONTRACT_ERROR, f"solve() returned {what}, not None or an Answer of this episode"
            )
        return int(answer) ^ RENAMING if job.get("renamed") else int(answer)


def _numbers(beta: float, schedule: Any) -> dict[str, Any]:
    """Return a schedule with plain numbers of Python; numpy's and others become such.

    Raises BrokenCandidate for what is no dict of finite numbers by name, and names the first knob that is none.
    """
    form = f"schedule({beta}) must return a dict of finite numbers by name"
    if not isinstance(schedule, dict):
        raise BrokenCandidate(Status.CONTRACT_ERROR, f"{form}, not {safely(schedule)} ({type(schedule).__name__})")
    knobs: dict[str, Any] = {}
    for name, given in schedule.items():
        value = given
        if type(value) not in (int, float, bool) and isinstance(value, Real):
            value = int(value) if isinstance(value, Integral) else float(value)
        if type(name) is not str or type(value) not in (int, float, bool) or not -MAX_KNOB <= value <= MAX_KNOB:
            what = f"{safely(name)!r:.60} is {safely(given)!r:.60} ({type(given).__name__})"
            raise BrokenCandidate(Status.CONTRACT_ERROR, f"{form}; {what}")
        knobs[name] = value
    return knobs
