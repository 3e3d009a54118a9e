"""What is written down of many episodes and what they are asked: state, calls, and what actions cost at most."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FINISHED, PRUNED, PROBED = np.uint8(1), np.uint8(2), np.uint8(4)
"""Bits of a branch's state."""

UNLIMITED = 1 << 62
"""The budget that is none, in tokens."""


@dataclass(frozen=True)
class Costs:
    """What an episode's actions cost at most, in tokens."""

    interval: int
    """Δ: what one step costs, but for a branch's last."""
    probe: int
    """κ_probe at its largest; what a probe really costs comes from the world."""
    budget: int = UNLIMITED
    """B: what one episode may spend."""
    repeats_last: bool = False
    """Whether CONTINUE of a finished branch is admitted, and charges its last interval again (the AutoTTS release)."""


@dataclass(frozen=True)
class Rounds:
    """What k ROUNDS calls ask for; see `sandbox.tts.Episode.rounds`."""

    most: Ints
    """(k,): how many rounds, at least 1."""
    burst: Ints
    """(k,): intervals that a fast branch takes in a round, at least 1."""
    widen: Ints
    """(k,): branches that are opened between two rounds."""
    leader: Ints
    """(k,): the label that fast branches answered; −1 where there is no leader."""
    through: Bools
    """(k,): whether rounds go on when a branch reached its end, without it."""
    opening: Ints
    """(k,): branches that are opened before the first round."""
    fast: Bools
    """(sum of their counts): which of the listed branches are fast."""


@dataclass(frozen=True)
class Turns:
    """What k IN_TURN calls ask for; see `envdata.clearing`."""

    abreast: Ints
    """(k,): how many branches are read in parallel, at least 1."""
    afresh: Bools
    """(k,): whether each group votes by itself."""
    sizes: Ints
    """(k,): how many entries of `clear` are the call's."""
    clear: Ints
    """(sum of sizes): votes that it takes, by the votes of the second, call after call."""


_NO_NUMBERS, _NO_FLAGS = np.zeros(0, np.int64), np.zeros(0, bool)
NO_ROUNDS = Rounds(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_FLAGS, _NO_NUMBERS, _NO_FLAGS)

NO_TURNS = Turns(_NO_NUMBERS, _NO_FLAGS, _NO_NUMBERS, _NO_NUMBERS)


@dataclass(frozen=True)
class Calls:
    """n calls, each of another episode; none of them ends an episode or leaves a note."""

    episode: Ints
    """(n,)."""
    op: Ints
    """(n,): BRANCH, READ, CONTINUE, FINISH, PROBE, or one that stands for several of these, ROUNDS or IN_TURN."""
    probe: Bools
    """(n,): whether BRANCH and CONTINUE look at what they reach."""
    count: Ints
    """(n,): how many branches: to open (BRANCH, READ, IN_TURN), or listed in `branch`."""
    branch: Ints
    """(sum of count, those that open aside): branch numbers, call after call."""
    rounds: Rounds = NO_ROUNDS
    """Of the ROUNDS calls, in their order."""
    turns: Turns = NO_TURNS
    """Of the IN_TURN calls, in their order."""


@dataclass
class Ledger:
    """The state of E episodes with at most W branches each: what is open, how deep, and what was spent."""

    episodes: int
    width: int
    opened: Ints = field(init=False)
    """(E,) branches opened so far."""
    ceiling: Ints = field(init=False)
    """(E,) branches that may be opened: the branch ceiling, or what the world has."""
    over: Bools = field(init=False)
    """(E,) whether the episode has ended."""
    tokens: Ints = field(init=False)
    """(E,) spent so far."""
    sequential: Ints = field(init=False)
    """(E,) sequential tokens so far."""
    depth: Ints = field(init=False)
    """(E × W,) intervals decoded; likewise flat below."""
    charged: Ints = field(init=False)
    """Tokens paid for going on; reading to the end charges the rest of the branch."""
    looked: Ints = field(init=False)
    """Tokens paid for probes, which shorten nothing."""
    state: npt.NDArray[np.uint8] = field(init=False)
    """FINISHED + PRUNED + PROBED, the last for the present depth."""
    _met: Ints = field(init=False)
    """Scratch: where a place was met last."""

    def __post_init__(self) -> None:
        for name in ("opened", "ceiling", "tokens", "sequential"):
            setattr(self, name, np.zeros(self.episodes, np.int64))
        self.over = np.ones(self.episodes, bool)
        places = self.episodes * self.width
        for name in ("depth", "charged", "looked"):
            setattr(self, name, np.zeros(places, np.int64))
        self.state = np.zeros(places, np.uint8)
        self._met = np.zeros(places, np.int64)

    def begin(self, episodes: slice, ceiling: Ints) -> None:
        """Start the episodes of a slice anew, with the given ceilings on their branches (at most W)."""
        for per_episode in (self.opened, self.tokens, self.sequential):
            per_episode[episodes] = 0
        self.over[episodes] = False
        self.ceiling[episodes] = np.minimum(ceiling, self.width)
        places = slice(episodes.start * self.width, episodes.stop * self.width)
        per_place: list[npt.NDArray[Any]] = [self.depth, self.charged, self.looked, self.state]
        for array in per_place:
            array[places] = 0

    def repeated(self, place: Ints) -> Bools:
        """Which entries name a place that a later entry names again."""
        entry = np.arange(len(place))
        self._met[place] = entry
        repeated: Bools = self._met[place] != entry
        return repeated


def first_of_each(values: Ints) -> Ints:
    """Where each run of equal values begins."""
    begins = np.empty(len(values), bool)
    begins[:1] = True
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    starts: Ints = np.flatnonzero(begins)
    return starts
