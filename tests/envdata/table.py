"""A way to play episodes by hand through `envdata.episodes`: one call of one episode at a time."""

from dataclasses import dataclass

import numpy as np

from envdata.actions import Op, Refusal
from envdata.episode_state import Calls
from envdata.episodes import CallResults, Episodes, GroupResult, Terms
from envdata.grid import Grid


@dataclass(frozen=True)
class Call:
    """One call; `branches` is how many to open for BRANCH and READ, the list of them otherwise."""

    episode: int
    op: Op
    branches: int | list[int]
    probe: bool = True


@dataclass(frozen=True)
class Shown:
    """What one call did to one branch, as a controller sees it, and what it cost."""

    depth: int
    finished: bool
    label: int
    parsed: bool
    cost: int


def to_calls(calls: list[Call]) -> Calls:
    """The array form of calls of distinct episodes."""
    listed = [call.branches if isinstance(call.branches, list) else [] for call in calls]
    counts = [len(call.branches) if isinstance(call.branches, list) else call.branches for call in calls]
    return Calls(
        np.array([call.episode for call in calls], np.int64),
        np.array([call.op for call in calls], np.int64),
        np.array([call.probe for call in calls], bool),
        np.array(counts, np.int64),
        np.array([branch for some in listed for branch in some], np.int64),
    )


class Table:
    """All questions of a grid, played side by side in one group or more, branches in the order they are listed."""

    def __init__(self, grid: Grid, terms: Terms | None = None, groups: int = 1, traced: bool = True) -> None:
        self.episodes = Episodes(grid, terms or Terms(), groups)
        for group in range(groups):
            orders = [np.arange(n, dtype=np.int32) for n in grid.branches]
            self.episodes.begin(group, orders, traced=traced)

    def play(self, *calls: Call) -> CallResults:
        return self.episodes.play(to_calls(list(calls)))

    def call(self, op: Op, branches: int | list[int], *, probe: bool = True, episode: int = 0) -> list[Shown]:
        """One call that is admitted."""
        played = self.play(Call(episode, op, branches, probe))
        assert Refusal(int(played.settled.refusal[0])) is Refusal.ADMITTED
        settled, every = played.settled, np.arange(len(played.settled.call))
        columns = (settled.depth, settled.finished, played.label, played.parsed(every), settled.cost)
        return [Shown(*(array[at].item() for array in columns)) for at in every.tolist()]

    def refused(self, op: Op, branches: int | list[int], *, probe: bool = True, episode: int = 0) -> Refusal:
        """One call that is refused: why."""
        played = self.play(Call(episode, op, branches, probe))
        assert not len(played.settled.call)
        return Refusal(int(played.settled.refusal[0]))

    def branch(self, n: int = 1, *, probe: bool = True, episode: int = 0) -> list[Shown]:
        return self.call(Op.BRANCH, n, probe=probe, episode=episode)

    def advance(self, *branches: int, probe: bool = True, episode: int = 0) -> list[Shown]:
        return self.call(Op.CONTINUE, list(branches), probe=probe, episode=episode)

    def finish(self, *branches: int, episode: int = 0) -> list[Shown]:
        return self.call(Op.FINISH, list(branches), probe=False, episode=episode)

    def probe(self, *branches: int, episode: int = 0) -> list[Shown]:
        return self.call(Op.PROBE, list(branches), episode=episode)

    def prune(self, *branches: int, episode: int = 0) -> list[Refusal]:
        which = np.array(branches, np.int64)
        return [Refusal(r) for r in self.episodes.prune(np.full(len(which), episode), which).tolist()]

    def tokens(self, episode: int = 0) -> int:
        return int(self.episodes.states.tokens[episode])

    def sequential(self, episode: int = 0) -> int:
        return int(self.episodes.states.sequential[episode])

    def result(self, group: int = 0) -> GroupResult:
        return self.episodes.result(group)
