"""Plays controllers in this process over research data, by the rules and costs of an evaluation.

Rules, labels and the controller API are the modules that evaluate candidates; only numpy is needed beside them. There
is no sandbox here: a controller runs with all rights of this process. Random numbers of a controller (`episode.rng`)
are others than in an evaluation, where they come from the run's secret.
"""

import json
import random
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from envdata.actions import Op
from envdata.branch_orders import ORDERS
from envdata.episode_state import UNLIMITED, Calls, Costs, EpisodeStates
from envdata.labels import LabelBook
from envdata.replay import ReplayBranchSource
from envdata.rules import apply_calls, prune
from sandbox import tts
from sandbox.inside.controller_runner import NativeCandidate
from sandbox.link import CallReply, RevealedRows
from sandbox.signals import PROBE_CONFIDENCE

try:
    from greenlet import getcurrent, greenlet
except ImportError:
    # Episodes are then played one after another: the same results, several times slower.
    greenlet = None  # type: ignore[assignment, misc]

Ints = npt.NDArray[np.int64]
Order = npt.NDArray[np.int32]

SIGNAL = "signal_"
"""Start of the names of arrays with signals."""
MANIFEST = "grids.json"
"""File that lists the grids of a folder, with the terms of an episode."""


@dataclass(frozen=True)
class ResearchGrid:
    """One grid of the search set, with the terms of its episodes."""

    name: str
    interval: int
    """Δ, in tokens."""
    costs: Costs
    max_branches: int
    arrays: Mapping[str, npt.NDArray[Any]]
    """The arrays of the file, as `README.md` lists them."""
    recorded: Any
    """The same, flat, as the rules read a grid (`envdata.grid.Grid`, of which this has `arrays`), and `probe_costs`."""


@dataclass(frozen=True)
class Played:
    """Results of a controller at one β on one grid. Arrays have shape (repeats, questions)."""

    correct: npt.NDArray[np.bool_]
    tokens: Ints
    sequential: Ints
    """Sequential tokens: a call takes as long as its longest branch, and calls add up."""
    branches: Ints
    """Branches opened."""
    failed: int
    """Number of episodes that failed; they count as wrong, with the tokens they spent."""
    why: str
    """Traceback of the first failure; empty without one."""


def load_grids(folder: Path) -> list[ResearchGrid]:
    """Return the grids that a folder of research data holds. Raises OSError if the folder is incomplete."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    budget = UNLIMITED if manifest["budget"] is None else manifest["budget"]
    grids = []
    for each in manifest["grids"]:
        with np.load(folder / each["file"]) as stored:
            arrays = {name: stored[name] for name in stored.files}
        grids.append(
            ResearchGrid(
                name=each["name"],
                interval=each["interval"],
                costs=Costs(each["interval"], each["largest_probe"], budget, probes=each["probes"]),
                max_branches=manifest["max_branches"],
                arrays=arrays,
                recorded=_recorded(arrays, each["interval"]),
            )
        )
    return grids


def latency_of(folder: Path) -> float:
    """Return the weight of latency in the run's cost. Raises OSError if the folder is incomplete."""
    return float(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["latency"])


def load_controller(path: Path) -> NativeCandidate:
    """Run a controller's file and return its controller. Raises BrokenCandidate, and whatever the file raises."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    # As in a sandbox, `autotts` is the controller API alone.
    before, sys.modules["autotts"] = sys.modules.get("autotts"), tts
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    finally:
        del sys.modules["autotts"]
        if before is not None:
            sys.modules["autotts"] = before
    return NativeCandidate(module)


def orders_of(grid: ResearchGrid, kind: str, seed: int, repeats: int) -> list[list[Order]]:
    """Return the branch orders of each repeat, one for each question; `kind` is `balanced` or `published`."""
    return [[ORDERS[kind](int(n), seed, repeat) for n in grid.arrays["branches"]] for repeat in range(repeats)]


def play(
    candidate: NativeCandidate,
    grid: ResearchGrid,
    beta: float,
    orders: Sequence[Sequence[Order]],
    knobs: Mapping[str, float] | None = None,
) -> Played:
    """Play all questions of a grid at one β.

    Args:
        candidate: The controller (`load_controller`).
        grid: The grid.
        beta: β in [0, 1].
        orders: For each repeat the order in which each question's branches are opened (`orders_of`).
        knobs: Knobs that override the schedule.

    Raises:
        BrokenCandidate: The schedule breaks the contract.
    """
    return _Table(candidate, grid, beta, orders, knobs or {}).play()


_Call = tuple[int, int, int, int, list[int]]
"""An action of an episode: the arguments of `sandbox.link.Link.call`."""


class _Table:
    """All episodes of one grid and β, side by side: the link of each (`sandbox.link.Link`)."""

    def __init__(
        self,
        candidate: NativeCandidate,
        grid: ResearchGrid,
        beta: float,
        orders: Sequence[Sequence[Order]],
        knobs: Mapping[str, float],
    ) -> None:
        self._candidate, self._grid = candidate, grid
        self._questions, self._repeats = len(grid.arrays["branches"]), len(orders)
        ceilings = np.minimum(grid.arrays["branches"], grid.max_branches).astype(np.int64)
        width, count = int(ceilings.max()), self._questions * self._repeats
        self._states = EpisodeStates(count, width)
        self._labels = LabelBook(grid.recorded, self._repeats)
        self._source = ReplayBranchSource(grid.recorded, count, width, grid.recorded.probe_costs)
        for repeat, own in enumerate(orders):
            first = repeat * self._questions
            self._states.begin(slice(first, first + self._questions), ceilings)
            self._source.begin(first, own)
        known = [PROBE_CONFIDENCE] if "confidence" in grid.arrays else []
        self._signals = sorted([*known, *grid.recorded.arrays.signals])
        budget = None if grid.costs.budget == UNLIMITED else grid.costs.budget
        numbers = grid.arrays["question"].tolist()
        self._job: dict[str, Any] = {
            "beta": beta,
            "settings": dict(knobs),
            "interval": grid.interval,
            "budget": budget,
            "signals": self._signals,
            "episodes": [
                (f"{numbers[episode % self._questions]} {episode // self._questions} {beta}",
                 int(ceilings[episode % self._questions]), None)
                for episode in range(count)
            ],
        }  # fmt: skip
        self._correct = np.zeros(count, bool)
        self._failed, self._why = 0, ""
        self._waiting: list[tuple[Any, _Call]] = []
        self._hub: Any = None

    def play(self) -> Played:
        """Play every episode, and return the results."""
        random.seed(0)
        self._candidate.prepare(self._job)
        count = self._questions * self._repeats
        if greenlet is None:
            for episode in range(count):
                self._play_one(episode)
        else:
            self._hub = getcurrent()
            for episode in range(count):
                greenlet(self._play_one).switch(episode)
            while self._waiting:
                served, self._waiting = self._waiting, []
                for (stack, _), reply in zip(served, self._apply([call for _, call in served]), strict=True):
                    stack.switch(reply)
        shape = (self._repeats, self._questions)
        states = self._states
        return Played(
            correct=self._correct.reshape(shape),
            tokens=states.tokens.reshape(shape),
            sequential=states.sequential.reshape(shape),
            branches=states.opened.reshape(shape),
            failed=self._failed,
            why=self._why,
        )

    def call(self, episode: int, op: int, probe: int, count: int, branches: list[int]) -> CallReply:
        call = (episode, op, probe, count, branches)
        if greenlet is None:
            return self._apply([call])[0]
        self._waiting.append((getcurrent(), call))
        reply: CallReply = self._hub.switch()
        return reply

    def read_signal(self, episode: int, signal: int, wanted: list[int]) -> Iterator[float]:
        pairs = np.array(wanted, np.int64).reshape(-1, 2)
        places = episode * self._states.width + pairs[:, 0]
        values = self._source.signal(self._signals[signal], places, pairs[:, 1], self._states.depth[places])
        return iter(values.tolist())

    def post(self, episode: int, op: int, value: int, text: str) -> None:
        if op == Op.PRUNE:
            prune(self._states, np.array([episode]), np.array([value]))

    def text(self, episode: int, label: int) -> str | None:
        return None

    def _play_one(self, episode: int) -> None:
        try:
            label = self._candidate.play(self, episode, self._job)
        except (Exception, SystemExit):
            self._failed += 1
            self._why = self._why or traceback.format_exc()
        else:
            code = None if label is None else self._labels.code(episode, label)
            self._correct[episode] = code is not None and code == self._grid.arrays["right"][episode % self._questions]
        self._states.over[episode] = True

    def _apply(self, waiting: Sequence[_Call]) -> list[CallReply]:
        """Apply calls of distinct episodes, in one pass over arrays; return what each revealed."""
        episodes, ops, probes, counts, listed = zip(*waiting, strict=True)
        calls = Calls(
            np.array(episodes, np.int64),
            np.array(ops, np.int64),
            np.array(probes, bool),
            np.array(counts, np.int64),
            np.array([branch for own in listed for branch in own], np.int64),
        )
        settled = apply_calls(self._states, calls, self._source, self._grid.costs)
        episode = calls.episode[settled.call]
        label = np.full(len(episode), -1, np.int64)
        shown = np.flatnonzero(settled.revealed)
        label[shown] = self._labels.number(episode[shown], settled.answer[shown])
        # Both sides number the bits of a flag alike: 2 for a finished branch, 1 for a parsed answer.
        flags = settled.finished * 2
        flags[shown] += self._grid.arrays["parsed"][episode[shown] % self._questions, settled.answer[shown]]
        ends = np.searchsorted(settled.call, np.arange(len(episodes) + 1)).tolist()
        columns = label.tolist(), settled.confidence.tolist(), settled.depth.tolist(), flags.tolist()
        refusals, tokens = settled.refusal.tolist(), self._states.tokens[calls.episode].tolist()
        confident = "confidence" in self._grid.arrays
        replies: list[CallReply] = []
        for at, refusal in enumerate(refusals):
            labels, values, depths, own = (column[ends[at] : ends[at + 1]] for column in columns)
            rows = RevealedRows(iter(labels), iter(values) if confident else None, iter(depths), iter(own), iter(()))
            replies.append((refusal, tokens[at], -1, rows))
        return replies


def _recorded(arrays: Mapping[str, npt.NDArray[Any]], interval: int) -> Any:
    """Return the arrays in the flat form that the rules read (`envdata.grid_arrays.GridArrays`), without texts."""
    exists = np.arange(arrays["length"].shape[1]) < arrays["branches"][:, None]
    ends = arrays["intervals"][exists].astype(np.int64) + 1
    inside = exists[:, :, None] & (np.arange(arrays["answer"].shape[2]) <= arrays["intervals"][:, :, None])
    confidence = arrays.get("confidence")
    questions, codes = arrays["parsed"].shape
    flat = SimpleNamespace(
        interval=interval,
        first_branch=np.concatenate([[0], np.cumsum(arrays["branches"])]).astype(np.int64),
        first_text=np.arange(questions + 1, dtype=np.int64) * codes,
        tokens=arrays["length"][exists],
        intervals=arrays["intervals"][exists],
        first_answer=np.cumsum(ends) - ends,
        answer_codes=arrays["answer"][inside].astype(np.int32),
        signals={
            name.removeprefix(SIGNAL): values[inside] for name, values in arrays.items() if name.startswith(SIGNAL)
        },
        confidences=None if confidence is None else confidence[inside],
    )
    return SimpleNamespace(arrays=flat, probe_costs=arrays["probe_cost"][inside])
