"""Sealed branches: what a branch will say, put where it can be read only once and piece by piece, and where it shows.

A controller of the AutoTTS release goes on one branch and one interval at a time, and looks at each: a way to the host
and back for every step is most of what it costs. So the host writes a branch's intervals into a pipe, and hands the
reading end to the worker. Reading from it *is* the action: the kernel gives the next bytes and no others, and they are
gone from the pipe. The worker tells afterwards what it took, in which order (`Op.TAKEN`). When an episode ends, the
host
compares that with what is left in its pipes: taking without telling ends the worker, and is charged like the rest.

A worker cannot look without taking: its filter of system calls leaves it no tee, splice or ioctl, which would tell how
much is left. What is its word alone is the order between branches, on which no figure depends where every call is of
one branch.
"""

import fcntl
import os
import struct
import termios
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from envdata.actions import Op, Refusal
from envdata.episodes import Episodes, Played, Terms
from envdata.ledger import Bools, Calls, Ints
from sandbox.frames import Parsed
from sandbox.inside.wire import RECORD, RECORD_TEXT

AHEAD = 8
"""Unopened branches that are handed out beyond one that is opened: opening them is reading, too."""
MOST = 72
"""Branches of an episode that are handed out and not at their ends, at most; each is an open file of the worker and of
the host."""
LIVE = 3
"""Episodes of a worker that are played at once with sealed branches."""
OPEN_FILES = 256
"""What a worker may have open, with all of that; containers allow no more either."""

_BRANCH, _READ = int(Op.BRANCH), int(Op.READ)
_RECORDS = np.dtype([("cost", "<i4"), ("finished", "u1"), ("size", "u1"), ("text", f"S{RECORD_TEXT}")])
_TOO_LONG = 255
_COUNT = struct.Struct("i")


@dataclass
class _Seal:
    """One branch that was handed out."""

    place: int
    descriptor: int
    """The writing end: what is left can be counted there, and the pipe stays open."""
    begins: int
    """Depth of the branch when it was sealed."""
    records: int
    skipped: bool = False
    """Whether the branch was read whole in another way: nothing may be taken from it then."""

    def taken(self) -> int:
        """Records that were read, a part of one counting whole."""
        left: int = _COUNT.unpack(fcntl.ioctl(self.descriptor, termios.FIONREAD, bytes(_COUNT.size)))[0]
        return self.records - left // RECORD.size


class _Records(NamedTuple):
    """What the branches of a question will say, one after the other."""

    first: int
    """The grid's number of the first branch."""
    blob: bytes
    starts: list[int]
    """By branch, in records; plain numbers, for they are looked up one by one."""
    ends: list[int]
    """Zero where an answer is too long for a record."""


def suits(terms: Terms) -> bool:
    """Whether every action can be admitted beforehand: nothing depends on what is left to spend, or on an end."""
    return terms.budget is None and terms.repeats_last


class Sealer:
    """Hands out sealed branches of a grid's episodes, and compares what is told with what was taken."""

    def __init__(self, episodes: Episodes) -> None:
        """Raises ValueError where `episodes` are not played on such terms (`suits`)."""
        if not suits(episodes.terms):
            raise ValueError(f"branches cannot be sealed on these terms: {episodes.terms}")
        self._episodes = episodes
        self._seals: dict[int, dict[int, _Seal]] = {}
        """By episode and branch."""
        self.outgoing: dict[int, list[int]] = {}
        """By group, the reading ends that go with its next reply; whoever sends it closes them."""
        self._records: dict[int, _Records] = {}
        """By question."""

    def take(self, told: Parsed) -> Bools:
        """Apply what was taken, as TAKEN entries tell it; returns (k,) which of them cannot be."""
        return self._episodes.take(told.episode, told.count, told.branch)

    def hand_out(self, calls: Calls, played: Played) -> dict[int, list[int]]:
        """Seal branches for the episodes whose calls opened one: their numbers, by episode.

        That is the branch that was opened, and some that come next. Those that cannot be sealed, for want of open files
        or because an answer is too long, are left out. The reading ends are in `outgoing`.
        """
        admitted = played.settled.refusal == Refusal.ADMITTED
        for episode in calls.episode[admitted & (calls.op == _READ)].tolist():
            seal = self._seals.get(episode, {}).get(int(self._episodes.ledger.opened[episode]) - 1)
            if seal is not None:
                seal.skipped = True
        handed = {
            episode: self._hand_out(episode) for episode in calls.episode[admitted & (calls.op == _BRANCH)].tolist()
        }
        return {episode: branches for episode, branches in handed.items() if branches}

    def _hand_out(self, episode: int) -> list[int]:
        ledger = self._episodes.ledger
        own = self._seals.setdefault(episode, {})
        if len(own) >= MOST - AHEAD:
            self._let_go(own)
        ends = self.outgoing.setdefault(episode // self._episodes.questions, [])
        opened, ceiling = int(ledger.opened[episode]), int(ledger.ceiling[episode])
        branches = []
        for branch in range(max(0, opened - 1), min(opened + AHEAD, ceiling)):
            end = None if branch in own or len(own) >= MOST else self._seal(episode, branch)
            if end is not None:
                branches.append(branch)
                ends.append(end)
            elif branch >= opened and branch not in own:
                # Later ones could not be opened before it.
                break
        return branches

    def _let_go(self, own: dict[int, _Seal]) -> None:
        """Close what is empty, as it was told."""
        for branch, seal in list(own.items()):
            if seal.taken() == seal.records == self._told(seal):
                os.close(seal.descriptor)
                del own[branch]

    def lying(self, episodes: Ints) -> set[int]:
        """Of which episodes something else was taken from their branches than was told."""
        return {
            episode
            for episode in episodes.tolist()
            if any(seal.taken() != self._told(seal) for seal in self._seals.get(episode, {}).values())
        }

    def charge(self, episode: int) -> None:
        """Charge an episode for what was taken from its branches and not told."""
        untold = [
            branch
            for branch, seal in sorted(self._seals.get(episode, {}).items())
            for _ in range(0 if seal.skipped else seal.taken() - self._told(seal))
        ]
        if untold:
            self._episodes.take(np.array([episode]), np.array([len(untold)]), np.array(untold))

    def forget(self, episodes: Iterable[int]) -> None:
        """Close what episodes have left."""
        for episode in episodes:
            for seal in self._seals.pop(episode, {}).values():
                os.close(seal.descriptor)

    def sent(self) -> None:
        """Close the reading ends: whoever was to get them has them."""
        for ends in self.outgoing.values():
            for end in ends:
                os.close(end)
        self.outgoing.clear()

    def close(self) -> None:
        """Close everything."""
        self.sent()
        self.forget(list(self._seals))

    def _told(self, seal: _Seal) -> int:
        return 0 if seal.skipped else int(self._episodes.ledger.depth[seal.place]) - seal.begins

    def _seal(self, episode: int, branch: int) -> int | None:
        """The reading end of a pipe with the rest of a branch; None if it cannot be."""
        place, records = self._rest(episode, branch)
        if not records:
            return None
        try:
            reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            written = os.write(writing, records)
        except OSError:
            written = 0
        if written < len(records):
            os.close(reading)
            os.close(writing)
            return None
        begins = int(self._episodes.ledger.depth[place])
        self._seals[episode][branch] = _Seal(place, writing, begins, len(records) // RECORD.size)
        return reading

    def _rest(self, episode: int, branch: int) -> tuple[int, bytes]:
        """Where a branch stands in the ledger, and the records of its intervals to come, none if they do not fit."""
        episodes, question = self._episodes, episode % self._episodes.questions
        place = episode * episodes.ledger.width + branch
        if question not in self._records:
            self._records[question] = self._build(question)
        records = self._records[question]
        number = episodes.recorded_branch(place) - records.first
        start = records.starts[number] + int(episodes.ledger.depth[place])
        return place, records.blob[start * RECORD.size : records.ends[number] * RECORD.size]

    def _build(self, question: int) -> _Records:
        arrays, probe = self._episodes.grid.arrays, self._episodes.terms.probe_cost
        branches = slice(int(arrays.first_branch[question]), int(arrays.first_branch[question + 1]))
        intervals = arrays.intervals[branches].astype(np.int64)
        starts = arrays.first_answer[branches] - arrays.first_answer[branches.start]
        cells = slice(
            int(arrays.first_answer[branches.start]), int(arrays.first_answer[branches.start] + (intervals + 1).sum())
        )
        records = np.zeros(cells.stop - cells.start, _RECORDS)
        texts = arrays.answer_texts[int(arrays.first_text[question]) : int(arrays.first_text[question + 1])]
        spelt = [text.encode() for text in texts.to_pylist()]
        code = arrays.answer_codes[cells]
        # A text that ends in NUL would lose it.
        sizes = [len(text) if len(text) <= RECORD_TEXT and text[-1:] != b"\0" else _TOO_LONG for text in spelt]
        records["text"] = np.array(spelt, f"S{RECORD_TEXT}")[code]
        records["size"] = np.array(sizes, np.uint8)[code]
        records["cost"] = arrays.interval
        if probe is not None:
            records["cost"] += probe
        elif arrays.probe_tokens is not None:
            records["cost"] += arrays.probe_tokens[cells]
        ends = starts + intervals
        records["finished"][ends] = 1
        records["cost"][ends] = np.maximum(0, arrays.tokens[branches] - arrays.interval * intervals)
        fits = np.maximum.reduceat(records["size"], starts) < _TOO_LONG
        return _Records(branches.start, records.tobytes(), starts.tolist(), np.where(fits, ends + 1, 0).tolist())
