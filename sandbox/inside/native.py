"""Runs controllers written against `sandbox.tts`: finds the class, asks its schedule, plays an episode."""

from types import ModuleType
from typing import Any

from sandbox import tts
from sandbox.inside import guard
from sandbox.inside.errors import Broken, describe_error, safely
from sandbox.inside.wire import MAX_KNOB, MAX_KNOBS
from sandbox.link import Link
from sandbox.status import Status

RENAMING = 63
"""What labels' numbers are combined with, by exclusive or, in a job that renames them: the first 64 change places."""


class RenamedLabels(list[tts.Answer]):
    """An episode's labels, which controllers see under other numbers than the host."""

    def append(self, answer: tts.Answer) -> None:
        """Keep a new label in the place that the host knows it by."""
        super().append(tts.Answer(int(answer) ^ RENAMING, answer.parsed, answer.text))


class NativeCandidate:
    """A file's one subclass of Controller (`sandbox.inside.player.Playable`)."""

    def __init__(self, module: ModuleType) -> None:
        """Find the class; raises Broken if there is none, or several."""
        found = [
            value
            for value in list(module.__dict__.values())
            if isinstance(value, type) and issubclass(value, tts.Controller) and value.__module__ == module.__name__
        ]
        distinct = list(dict.fromkeys(found))
        leaves = [one for one in distinct if not any(other is not one and issubclass(other, one) for other in distinct)]
        if len(leaves) != 1:
            names = ", ".join(one.__name__ for one in leaves) or "none"
            raise Broken(Status.CONTRACT_ERROR, f"the file must define one subclass of Controller; it defines {names}")
        abstract = sorted(getattr(leaves[0], "__abstractmethods__", ()))
        if abstract:
            raise Broken(Status.CONTRACT_ERROR, f"{leaves[0].__name__} does not define {', '.join(abstract)}")
        self.controller = leaves[0]
        self.name = str(leaves[0].__name__)
        self._knobs: dict[str, float] = {}

    def schedule(self, beta: float, settings: dict[str, float]) -> dict[str, float]:
        """The knobs at β, settings included; raises Broken."""
        try:
            schedule = self.controller.schedule(beta)
        except BaseException as error:
            raise Broken(Status.CONTRACT_ERROR, f"schedule({beta}) raised {describe_error(error)}") from None
        if not isinstance(schedule, dict) or not all(
            type(name) is str and type(value) in (int, float, bool) and -MAX_KNOB <= value <= MAX_KNOB
            for name, value in schedule.items()
        ):
            raise Broken(Status.CONTRACT_ERROR, f"schedule({beta}) must return a dict of finite numbers by name")
        if len(schedule) > MAX_KNOBS or not all(name.isidentifier() and len(name) <= 100 for name in schedule):
            why = f"schedule({beta}) has more than {MAX_KNOBS} knobs, or one whose name is not a short identifier"
            raise Broken(Status.CONTRACT_ERROR, why)
        unknown = [name for name in settings if name not in schedule]
        if unknown:
            known = ", ".join(schedule)
            raise Broken(Status.CONTRACT_ERROR, f"no knob is called {unknown[0]!r}; the schedule has {known}")
        return {**schedule, **settings}

    def prepare(self, job: dict[str, Any]) -> None:
        """Fix the knobs that all episodes of a job are played with; raises Broken."""
        self._knobs = self.schedule(job["beta"], job["settings"])

    def play(self, link: Link, number: int, job: dict[str, Any]) -> int | None:
        """Play one episode to its answer's label; raises Broken for an answer that is none, and what `solve` raises."""
        seed, ceiling, question = job["episodes"][number]
        episode = tts.Episode(link, number, ceiling, job["interval"], job["budget"], seed, question)
        if job.get("renamed"):
            episode._labels = RenamedLabels()
        answer = guard.solve(self.controller(self._knobs), episode, job.get("constraints", {}))
        if answer is None:
            return None
        if type(answer) is not tts.Answer or not any(answer is label for label in episode._labels):
            what = f"{type(answer).__name__} {safely(answer)}"
            raise Broken(Status.CONTRACT_ERROR, f"solve() returned {what}, not None or an Answer of this episode")
        return int(answer) ^ RENAMING if job.get("renamed") else int(answer)
