"""The runs of a folder as they stand now, without reading more of them than that takes."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Generic, TypeVar

from graph.report.page.render import render
from graph.run.files import RunError
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned
from graph.run.record import load
from graph.run.transcript import Transcript

_V = TypeVar("_V")


@dataclass(frozen=True)
class RunState:
    """How far a run is."""

    name: str
    version: str
    """Changes with what its page would show."""
    rounds: int
    planned: int
    ended: bool
    selected: str | None
    doing: str
    """What it does now, or that it has ended."""


def find(folder: Path) -> dict[str, RunFolder]:
    """The runs in a folder by name, or the folder itself if it is one. Raises RunError if there are none."""
    if RunFolder(folder).settings.exists():
        return {folder.resolve().name: RunFolder(folder)}
    try:
        inside = sorted(each for each in folder.iterdir() if RunFolder(each).settings.exists())
    except OSError as error:
        raise RunError(f"{folder}: cannot be read ({error.strerror}); give a run's folder, or one of runs") from None
    if not inside:
        raise RunError(f"{folder} holds no run (no run.toml in it or below); start one with autotts discover")
    return {each.name: RunFolder(each) for each in inside}


def state_of(name: str, run: RunFolder) -> RunState:
    """How far a run is. Raises RunError for settings that cannot be read."""
    planned = Pinned.load(run.settings).settings.rounds
    complete = list(takewhile(lambda number: run.round(number).metrics.exists(), range(1, planned + 1)))
    rounds = len(complete)
    shown = [run.settings, run.round(0).metrics, *(run.round(number).metrics for number in complete), run.result]
    said = "".join(f"{file.stat().st_mtime_ns} {file.stat().st_size};" for file in shown if file.exists())
    result: dict[str, Any] | None = read_json(run.result) if run.result.exists() else None
    return RunState(
        name,
        version=hashlib.sha256(said.encode()).hexdigest()[:16],
        rounds=rounds,
        planned=planned,
        ended=result is not None,
        selected=result["selected"] if result else None,
        doing="it has ended" if result else _doing(run, rounds),
    )


def _version(state: RunState) -> object:
    return state.version


@dataclass
class Kept(Generic[_V]):
    """Something that is made from each run's files, kept until the run has more to show."""

    _made: dict[str, tuple[object, _V]] = field(default_factory=dict)
    """What it was made for, and the thing itself, by the run's name."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(
        self, name: str, run: RunFolder, make: Callable[[RunState], _V], key: Callable[[RunState], object] = _version
    ) -> _V:
        """Return what `make` returns for the run's state; it is called again once `key` of the state has changed.

        Raises RunError for settings that cannot be read, and what `make` raises.
        """
        with self._lock:
            state = state_of(name, run)
            made = self._made.get(name)
            if made is None or made[0] != key(state):
                made = self._made[name] = (key(state), make(state))
            return made[1]


class Pages:
    """The pages of runs, kept until there is more to show."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: Kept[str] = Kept()

    def page(self, name: str, run: RunFolder) -> str:
        """The run's page. Raises RunError if its baselines are not played yet, GridError if a grid has gone."""

        def make(state: RunState) -> str:
            live = {"replay": "replay", "state": "state", "paper": "paper", "version": state.version}
            return render(load(run.path), live)

        return self._kept.get(name, run, make)


def _doing(run: RunFolder, rounds: int) -> str:
    """The node at work, as the transcript of the round in progress says."""
    for number in (rounds + 1, 0):
        transcript = run.round(number).transcript
        nodes = [event["node"] for event in Transcript(transcript).events() if event["event"] in ("node", "baselines")
                 and "node" in event] if transcript.exists() else []  # fmt: skip
        if nodes:
            return f"round {number}: {nodes[-1]}" if number else str(nodes[-1])
    return "it begins"
