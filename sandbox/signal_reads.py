"""Serves reads of signals in workers' frames: values of intervals that an episode has paid for, and of no others."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envdata.actions import Op
from envdata.episode_state import Bools, Ints
from envdata.grid_schema import PROBE_CONFIDENCE
from sandbox.episode_protocol import PlayableEpisodes
from sandbox.request_frames import LISTS, Parsed

_SIGNAL = int(Op.SIGNAL)


class SignalReads(NamedTuple):
    """The r reads of signals in several frames, and what they get."""

    at: Ints
    """(r,): positions of the reads among all calls of the frames, ascending."""
    counts: Ints
    """(r,): number of values of each read."""
    values: npt.NDArray[np.float32]
    """The values, read after read."""
    malformed: Ints
    """Positions of reads that the worker's own code never sends; they get no values."""


def without_reads(parsed: Parsed) -> Ints:
    """Return the branch lists of all calls but reads of signals."""
    owner = np.repeat(parsed.op, np.where(LISTS[parsed.op], parsed.count, 0))
    listed: Ints = parsed.branch[owner != _SIGNAL]
    return listed


def read_signals(episodes: PlayableEpisodes, parsed: Parsed) -> SignalReads:
    """Return the values that the SIGNAL calls among `parsed` ask for."""
    at = np.flatnonzero(parsed.op == _SIGNAL)
    owner = np.repeat(np.arange(len(parsed.op)), np.where(LISTS[parsed.op], parsed.count, 0))
    readable = [name != PROBE_CONFIDENCE for name in episodes.signal_names]
    value = parsed.value[at]
    sound = (
        (parsed.count[at] % 2 == 0) & (value >= 0) & (value < len(readable)) & ~episodes.states.over[parsed.episode[at]]
    )
    sound[sound] &= np.array(readable, bool)[value[sound]]
    is_sound = np.zeros(len(parsed.op), bool)
    is_sound[at[sound]] = True
    # Two entries for each branch: its index, and the depth after which values are wanted.
    pairs = parsed.branch[is_sound[owner]].reshape(-1, 2)
    call = owner[is_sound[owner]][::2]
    place, first, fit = _places(episodes, parsed.episode[call], pairs)
    if not fit.all():
        is_sound[call[~fit]] = False
        kept = is_sound[call]
        call, place, first = call[kept], place[kept], first[kept]
    wanted = episodes.states.depth[place] - first
    counts = np.bincount(call, weights=wanted, minlength=len(parsed.op)).astype(np.int64)[at]
    values = _values(episodes, parsed.value[call], place, first, wanted)
    return SignalReads(at, counts, values, at[~is_sound[at]])


def _places(episodes: PlayableEpisodes, episode: Ints, pairs: Ints) -> tuple[Ints, Ints, Bools]:
    """Return places and first depths of pairs, shape (m,), and which pairs are fit: opened, reached, listed once."""
    states = episodes.states
    branch, first = pairs[:, 0], pairs[:, 1]
    opened = (branch >= 0) & (branch < states.opened[episode])
    place = episode * states.width + np.where(opened, branch, 0)
    return place, first, opened & (first >= 0) & (first <= states.depth[place]) & ~states.repeated(place)


def _values(
    episodes: PlayableEpisodes, signal: Ints, place: Ints, first: Ints, wanted: Ints
) -> npt.NDArray[np.float32]:
    """Return the values of m pairs, pair after pair."""
    names = episodes.signal_names
    distinct = np.unique(signal)
    if len(distinct) == 1:
        return episodes.signal(names[int(distinct[0])], place, first)
    values = np.empty(int(wanted.sum()), np.float32)
    whose = np.repeat(signal, wanted)
    for index in distinct.tolist():
        own = signal == index
        values[whose == index] = episodes.signal(names[index], place[own], first[own])
    return values
