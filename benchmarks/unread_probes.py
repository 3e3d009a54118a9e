"""Counts the probes of shipped controllers whose answers are never read, in replay.

usage: python -m benchmarks.unread_probes GRID [--beta 0.5] [--questions 48] [--repeats 4]

A probe is read when the controller reads `answer`, `answers`, `seen` or `signals` of its branch: `answer` reads the
latest probe, the others all of them. Final answers take no probe and are not counted. Controllers that never probe are
left out. Shares have 95 % intervals over questions.
"""

import argparse
import importlib
from typing import Any, ClassVar

import numpy as np

from autotts import play
from envdata.grid import Grid
from envdata.intervals import Sample
from graph.analysis.saving import saved_share
from sandbox import tts
from sandbox.branch import Branch
from sandbox.candidate import SHIPPED, without_probes
from sandbox.inside.controller_runner import NativeCandidate


class Observed(Branch):
    """A branch that records which of its probes were read, by depth."""

    __slots__ = ("read",)

    everything: ClassVar[list["Observed"]] = []
    """The branches of the episode that is played."""

    def __init__(self, index: int, reader: Any = None) -> None:
        super().__init__(index, reader)
        self.read: set[int] = set()
        self.everything.append(self)

    def __getattribute__(self, name: str) -> Any:
        if name == "answer" and not self.finished:
            self.read.add(len(self._answers))
        elif name in ("answers", "seen", "signals"):
            self.read.update(range(1, len(self._answers) + 1))
        return super().__getattribute__(name)

    def probes(self) -> set[int]:
        """Return the depths of its probes: its final answer took none."""
        depths = {at + 1 for at, answer in enumerate(self._answers) if answer is not None}
        return depths - {self.depth} if self.finished else depths


def count(name: str, grid: Grid, beta: float, questions: int, repeats: int) -> tuple[Any, Any]:
    """Return the mean number of probes that were made, and that were read, for each question."""
    controller = NativeCandidate(importlib.import_module(f"sandbox.controllers.{name}")).controller
    made, read = np.zeros(questions), np.zeros(questions)
    for question in range(questions):
        for repeat in range(repeats):
            Observed.everything.clear()
            play(controller, grid, question=question, beta=beta, repeat=repeat)
            made[question] += sum(len(branch.probes()) for branch in Observed.everything)
            read[question] += sum(len(branch.read & branch.probes()) for branch in Observed.everything)
    return made / repeats, read / repeats


def main() -> None:
    """Print a line for each controller."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid")
    parser.add_argument("--beta", type=float, default=0.5)
    parser.add_argument("--questions", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=4)
    given = parser.parse_args()
    grid = Grid.load(given.grid)
    tts.Branch = Observed  # type: ignore[misc]
    for name in [name for name in SHIPPED if name not in without_probes()]:
        made, read = count(name, grid, given.beta, min(given.questions, len(grid.questions)), given.repeats)
        unread = saved_share(Sample((read,)), Sample((made,)))
        print(f"{name}: {made.mean():,.1f} probes an episode, {unread.text(100, '.1f')} % never read", flush=True)


if __name__ == "__main__":
    main()
