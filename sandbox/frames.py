"""The frames of workers, taken apart and checked before anything in them is used.

A frame that the worker's own code would never send is broken, and ends its group's episodes; what a controller merely
may not do is left to the rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from envdata.actions import Op
from envdata.ledger import NO_ROUNDS, NO_TURNS, Calls, Ints, Rounds, Turns
from sandbox.inside.wire import CALL_FIELDS, HEADER, IN_TURN_HEAD, MANY, MAX_TEXT, ROUNDS_HEAD

MOVES = np.zeros(256, bool)
MOVES[[Op.BRANCH, Op.READ, Op.CONTINUE, Op.FINISH, Op.PROBE, Op.ROUNDS, Op.IN_TURN]] = True
TEXTS = np.zeros(256, bool)
TEXTS[[Op.NOTE, Op.FAIL]] = True
_LISTS = np.zeros(256, bool)
_LISTS[[Op.CONTINUE, Op.FINISH, Op.PROBE, Op.ROUNDS, Op.IN_TURN, Op.TAKEN]] = True
_EARLY = np.zeros(256, bool)
_EARLY[[Op.PRUNE, Op.NOTE, Op.TAKEN]] = True
_KNOWN = np.zeros(256, bool)
_KNOWN[list(Op)] = True

# Looked up once: an enumeration's members are slow to reach in Python 3.11.
_PRUNE = int(Op.PRUNE)
_ROUNDS, _IN_TURN, _TAKEN = int(Op.ROUNDS), int(Op.IN_TURN), int(Op.TAKEN)

_FIRST, _LAST = min(Op), max(Op)
"""All numbers between them are known."""


@dataclass(frozen=True)
class Frame:
    """One worker's frame, as it came in."""

    group: int
    data: bytes


@dataclass(frozen=True)
class Broken:
    """A frame that no worker of ours sends."""

    group: int
    why: str


@dataclass
class Parsed:
    """The calls of several frames, episodes numbered across groups."""

    frame: Ints
    episode: Ints
    op: Ints
    value: Ints
    count: Ints
    branch: Ints
    texts: Iterator[bytes]
    """One for each NOTE and FAIL, in order."""

    def only(self, kept: Ints) -> "Parsed":
        """Some of the calls, with the branches that they list."""
        branch = self.branch
        if (self.op == _TAKEN).any():
            chosen = np.zeros(len(self.op), bool)
            chosen[kept] = True
            branch = branch[chosen.repeat(np.where(_LISTS[self.op], self.count, 0))]
        return Parsed(
            self.frame[kept], self.episode[kept], self.op[kept], self.value[kept], self.count[kept], branch, self.texts
        )

    def moves(self) -> Calls:
        """As calls for the rules, for which all must be; what those that stand for several ask is in their lists."""
        rounded, turning = self.op == _ROUNDS, self.op == _IN_TURN
        if not (rounded | turning).any():
            return Calls(self.episode, self.op, self.value != 0, self.count, self.branch)
        listed = np.where(_LISTS[self.op], self.count, 0)
        first = np.cumsum(listed) - listed
        count, kept, rounds, turns = self.count.copy(), np.ones(len(self.branch), bool), NO_ROUNDS, NO_TURNS
        if turning.any():
            head = _heads(first[turning], IN_TURN_HEAD)
            most, abreast, afresh = self.branch[head]
            own = turning.repeat(listed)
            kept[own] = False
            own[head] = False
            turns = Turns(abreast, afresh != 0, count[turning] - IN_TURN_HEAD, self.branch[own])
            count[turning] = most
        branch = self.branch
        if rounded.any():
            head = _heads(first[rounded], ROUNDS_HEAD)
            most, burst, widen, leader, through, opening = branch[head]
            count[rounded] -= ROUNDS_HEAD
            kept[head] = False
            coded = rounded.repeat(listed)[kept]
            branch = branch[kept]
            fast = (branch[coded] & 1).astype(bool)
            branch[coded] >>= 1
            rounds = Rounds(most, burst, widen, leader, through != 0, opening, fast)
        else:
            branch = branch[kept]
        return Calls(self.episode, self.op, self.value != 0, count, branch, rounds, turns)


def _heads(first: Ints, size: int) -> Ints:
    """(size, k) where the entries of their own stand that the lists of k calls begin with, the first at `first`."""
    return first + np.arange(size)[:, None]


def parse(frames: list[Frame], questions: int) -> tuple[Parsed, list[Broken]]:
    """The calls of all frames that make sense, and the frames that do not."""
    heads = [HEADER.unpack_from(frame.data) for frame in frames]
    tables, lists = [], []
    for frame, (n_calls, n_branches, _, _) in zip(frames, heads, strict=True):
        at = HEADER.size + n_calls * CALL_FIELDS * 4
        tables.append(frame.data[HEADER.size : at])
        lists.append(frame.data[at : at + n_branches * 4])
    sizes = np.array(heads, np.int64).reshape(-1, 4)
    columns = np.frombuffer(b"".join(tables), np.int32).reshape(-1, CALL_FIELDS).T.astype(np.int64, order="C")
    frame_of = np.repeat(np.arange(len(frames)), sizes[:, 0])
    branch = np.frombuffer(b"".join(lists), np.int32).astype(np.int64)
    sound = _sound(columns, frame_of, sizes, questions)
    why = {} if sound else _wrong(columns, frame_of, sizes, questions)
    why = why or _wrong_asking(columns, frame_of, branch)
    if why:
        spoilt = [broken_by(frames[index], reason) for index, reason in sorted(why.items())]
        kept = [index for index in range(len(frames)) if index not in why]
        parsed, _ = parse([frames[index] for index in kept], questions)
        parsed.frame = np.array(kept, np.int64)[parsed.frame]
        return parsed, spoilt
    episode, op, value, count = columns
    group = np.array([frame.group for frame in frames], np.int64)
    texts = _texts(frames, heads, frame_of, op, count)
    return Parsed(frame_of, episode + group[frame_of] * questions, op, value, count, branch, texts), []


def _texts(frames: list[Frame], heads: list[tuple[int, ...]], frame_of: Ints, op: Ints, count: Ints) -> Iterator[bytes]:
    """The texts of NOTE and FAIL entries, in their order."""
    spoken = np.flatnonzero(TEXTS[op])
    at = [len(frame.data) - n_text for frame, (_, _, n_text, _) in zip(frames, heads, strict=True)]
    for index, size in zip(frame_of[spoken].tolist(), count[spoken].tolist(), strict=True):
        yield frames[index].data[at[index] : at[index] + size]
        at[index] += size


def _sound(columns: Ints, frame_of: Ints, sizes: Ints, questions: int) -> bool:
    """Whether all frames make sense, as nearly always, found out quickly; if not sure, `_wrong` looks closely."""
    episode, op, _, count = columns
    n_calls = sizes[:, 0]
    if not op.size or not n_calls.all() or op.min() < _FIRST or op.max() > _LAST or count.min() < 0:
        return False
    if episode.min() < 0 or episode.max() >= questions or TEXTS[op].any() or sizes[:, 2].any():
        return False
    listed = np.add.reduceat(np.where(_LISTS[op], count, 0), np.cumsum(n_calls) - n_calls)
    if (listed != sizes[:, 1]).any():
        return False
    key, order = frame_of * questions + episode, np.arange(len(op))
    last = np.empty(len(sizes) * questions, np.int64)
    last[key] = order
    early = op[last[key] != order]
    return not (early != _PRUNE).any() or (bool(_EARLY[early].all()) and not _taken_twice(op, key))


def _wrong(columns: Ints, frame_of: Ints, sizes: Ints, questions: int) -> dict[int, str]:
    """Why frames make no sense, by their number; empty if all do.

    `columns` is (4, n), the calls: episode, op, value, count; `sizes` is (frames, 4), the headers.
    """
    episode, op, _, count = columns
    n = len(sizes)
    why: dict[int, str] = {}

    def refuse(frames: Ints, reason: str) -> None:
        for index in frames.tolist():
            why.setdefault(index, reason)

    refuse(np.flatnonzero(sizes[:, 0] == 0), "a frame without calls")
    known = (op >= 0) & (op < len(_KNOWN))
    known &= _KNOWN[np.where(known, op, 0)]
    if not known.all():
        refuse(frame_of[~known], "an action that does not exist")
        return why
    outside = (episode < 0) | (episode >= questions)
    if outside.any():
        refuse(frame_of[outside], f"an episode outside 0 … {questions - 1}")
        return why
    if (count < 0).any():
        refuse(frame_of[count < 0], "a negative number of branches")
        return why
    listed = np.bincount(frame_of, weights=np.where(_LISTS[op], count, 0), minlength=n)
    refuse(np.flatnonzero(listed != sizes[:, 1]), "a branch list that is not as long as its calls say")
    said = np.where(TEXTS[op], count, 0)
    spoken = np.bincount(frame_of, weights=said, minlength=n)
    refuse(np.flatnonzero(spoken != sizes[:, 2]), "text that is not as long as its calls say")
    refuse(frame_of[said > MAX_TEXT], "text that is too long")
    # Of one episode, one entry at most may be more than a PRUNE, a NOTE or a TAKEN, and it comes last.
    final = np.flatnonzero(~_EARLY[op])
    key = frame_of * questions + episode
    last = np.full(n * questions, -1)
    last[key] = np.arange(len(op))
    early = final[last[key[final]] != final]
    refuse(frame_of[early], "an action after one that was not answered yet")
    told = np.flatnonzero(op == _TAKEN)
    if _taken_twice(op, key):
        again = np.setdiff1d(told, told[np.unique(key[told], return_index=True)[1]])
        refuse(frame_of[again], "what was taken, in two pieces")
    return why


def _taken_twice(op: Ints, key: Ints) -> bool:
    """Whether an episode's intervals are told in two entries; `key` tells episodes of frames apart."""
    taken = key[op == _TAKEN]
    return len(np.unique(taken)) < len(taken)


def _wrong_asking(columns: Ints, frame_of: Ints, branch: Ints) -> dict[int, str]:
    """Why frames' calls that stand for several make no sense, by the frames' number; the lists are as long as said."""
    _, op, _, count = columns
    rounded, turning = op == _ROUNDS, op == _IN_TURN
    if not (rounded | turning).any():
        return {}
    none = (rounded & (count < ROUNDS_HEAD)) | (turning & (count < IN_TURN_HEAD))
    if none.any():
        return dict.fromkeys(frame_of[none].tolist(), "a call over no branches")
    listed = np.where(_LISTS[op], count, 0)
    first = np.cumsum(listed) - listed
    most, burst, widen, leader, through, opening = branch[_heads(first[rounded], ROUNDS_HEAD)]
    odd = (most < 1) | (burst < 1) | (widen < 0) | (leader < -1) | (through < 0) | (through > 1)
    odd |= np.maximum.reduce([most, burst, widen, opening]) > MANY
    odd |= (opening < 0) | (count[rounded] - ROUNDS_HEAD + opening < 1)
    why = dict.fromkeys(frame_of[rounded][odd].tolist(), "rounds that cannot be taken")
    if turning.any():
        head = _heads(first[turning], IN_TURN_HEAD)
        most, abreast, afresh = branch[head]
        odd = (most < 1) | (abreast < 1) | (afresh < 0) | (afresh > 1) | (np.maximum(most, abreast) > MANY)
        clear = turning.repeat(listed)
        clear[head] = False
        never = frame_of.repeat(listed)[clear & (branch < 1)]
        why |= dict.fromkeys([*frame_of[turning][odd].tolist(), *never.tolist()], "reads that cannot be made")
    return why


def broken_by(frame: Frame, why: str) -> Broken:
    """A broken frame, with what is wrong in it."""
    return Broken(frame.group, f"the worker sent {why}")
