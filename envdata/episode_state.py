"""State of many episodes as arrays, batches of calls, and limits on the costs of actions."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FINISHED, PRUNED, PROBED = np.uint8(1), np.uint8(2), np.uint8(4)
"""Bits of `EpisodeStates.flags`."""

UNLIMITED = 1 << 62
"""Budget, in tokens, that stands for no limit."""


@dataclass(frozen=True)
class Costs:
    """The largest costs of an episode's actions, in tokens."""

    interval: int
    """Δ, the cost of every step of a branch but its last."""
    probe: int
    """The largest κ_probe; the branch source gives the actual cost of each probe."""
    budget: int = UNLIMITED
    """B, the budget of one episode."""
    repeats_last: bool = False
    """Whether a finished branch may be advanced again, at the cost of its last interval, as in the AutoTTS release."""
    probes: bool = True
    """Whether branches can be probed: not on a server that only streams, nor where none were in collecting."""


@dataclass(frozen=True)
class Calls:
    """A batch of n calls, each of another episode. None of them ends an episode or adds a note."""

    episode: Ints
    """Episode of each call, shape (n,)."""
    op: Ints
    """BRANCH, READ, CONTINUE, FINISH or PROBE, shape (n,)."""
    probe: Bools
    """Whether BRANCH and CONTINUE probe the depth that they reach, shape (n,)."""
    count: Ints
    """Number of branches that each call opens (BRANCH, READ) or lists in `branch`, shape (n,)."""
    branch: Ints
    """Listed branch indices, call after call; calls that open branches list none."""


@dataclass
class EpisodeStates:
    """State of E episodes with at most W branches each.

    Arrays over branches are flat, of shape (E × W,): branch b of episode e stands at place e × W + b.
    """

    episodes: int
    """E."""
    width: int
    """W."""
    opened: Ints = field(init=False)
    """Branches opened so far, shape (E,)."""
    ceiling: Ints = field(init=False)
    """Branches that may be opened, shape (E,): the branch ceiling, or fewer where the source has fewer."""
    over: Bools = field(init=False)
    """Whether the episode has ended, shape (E,)."""
    tokens: Ints = field(init=False)
    """Tokens spent, shape (E,)."""
    sequential: Ints = field(init=False)
    """Sequential tokens, shape (E,)."""
    depth: Ints = field(init=False)
    """Intervals decoded, shape (E × W,)."""
    charged: Ints = field(init=False)
    """Tokens paid for decoding, shape (E × W,). Decoding to the end charges the rest of the branch."""
    looked: Ints = field(init=False)
    """Tokens paid for probes, shape (E × W,); they do not count towards the branch's length."""
    flags: npt.NDArray[np.uint8] = field(init=False)
    """Sum of FINISHED, PRUNED and PROBED, shape (E × W,); PROBED is for the present depth."""
    _last_entry: Ints = field(init=False)
    """Scratch of `repeated`."""

    def __post_init__(self) -> None:
        for name in ("opened", "ceiling", "tokens", "sequential"):
            setattr(self, name, np.zeros(self.episodes, np.int64))
        self.over = np.ones(self.episodes, bool)
        places = self.episodes * self.width
        for name in ("depth", "charged", "looked"):
            setattr(self, name, np.zeros(places, np.int64))
        self.flags = np.zeros(places, np.uint8)
        self._last_entry = np.zeros(places, np.int64)

    def begin(self, episodes: slice, ceiling: Ints) -> None:
        """Reset the episodes of a slice.

        Args:
            episodes: The episodes that start anew.
            ceiling: Branches that each of them may open; values above W count as W.
        """
        for per_episode in (self.opened, self.tokens, self.sequential):
            per_episode[episodes] = 0
        self.over[episodes] = False
        self.ceiling[episodes] = np.minimum(ceiling, self.width)
        places = slice(episodes.start * self.width, episodes.stop * self.width)
        per_place: list[npt.NDArray[Any]] = [self.depth, self.charged, self.looked, self.flags]
        for array in per_place:
            array[places] = 0

    def repeated(self, place: Ints) -> Bools:
        """Return for each entry of `place` whether a later entry names the same place."""
        entry = np.arange(len(place))
        self._last_entry[place] = entry
        repeated: Bools = self._last_entry[place] != entry
        return repeated


def first_of_each(values: Ints) -> Ints:
    """Return the index at which each run of equal values begins."""
    begins = np.empty(len(values), bool)
    begins[:1] = True
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    starts: Ints = np.flatnonzero(begins)
    return starts
