"""Parses and checks the frames of workers before anything in them is used.

A frame that the worker's own code would never send is malformed, and ends its group's episodes. Actions that are well
formed but not admissible are left to the rules of an episode.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from envdata.actions import Op
from envdata.episode_state import Calls, Ints
from sandbox.inside.wire import CALL_FIELDS, HEADER, MAX_TEXT

MOVES = np.zeros(256, bool)
MOVES[[Op.BRANCH, Op.READ, Op.CONTINUE, Op.FINISH, Op.PROBE]] = True
TEXTS = np.zeros(256, bool)
TEXTS[[Op.NOTE, Op.FAIL]] = True
LISTS = np.zeros(256, bool)
"""Calls whose `count` is the length of their part of the branch list."""
LISTS[[Op.CONTINUE, Op.FINISH, Op.PROBE, Op.SIGNAL]] = True
_EARLY = np.zeros(256, bool)
_EARLY[[Op.PRUNE, Op.NOTE]] = True
_KNOWN = np.zeros(256, bool)
_KNOWN[list(Op)] = True

_FIRST, _LAST = min(Op), max(Op)
"""All values of `Op` lie between them, without gaps."""


@dataclass(frozen=True)
class RequestFrame:
    """One worker's frame as received."""

    group: int
    data: bytes


@dataclass(frozen=True)
class MalformedFrame:
    """A frame that the worker's own code never sends, and the reason."""

    group: int
    why: str


@dataclass
class Parsed:
    """The n calls of several frames, as columns."""

    frame: Ints
    """(n,): index of the call's frame, ascending."""
    episode: Ints
    """(n,): episode, numbered across groups: group × questions + the worker's number."""
    op: Ints
    """(n,): values of `Op`."""
    value: Ints
    """(n,): see `sandbox.inside.wire`."""
    count: Ints
    """(n,): see `sandbox.inside.wire`."""
    branch: Ints
    """The branch lists of all calls, one after another."""
    texts: Iterator[bytes]
    """The text of each NOTE and FAIL, in order."""

    def only(self, kept: Ints) -> "Parsed":
        """Return the moves alone: calls that take branches. `kept` holds their positions, ascending."""
        return Parsed(
            self.frame[kept],
            self.episode[kept],
            self.op[kept],
            self.value[kept],
            self.count[kept],
            self.branch,
            self.texts,
        )

    def moves(self) -> Calls:
        """Return the calls in the form that the rules take. All must be moves."""
        return Calls(self.episode, self.op, self.value != 0, self.count, self.branch)


def parse(frames: list[RequestFrame], questions: int) -> tuple[Parsed, list[MalformedFrame]]:
    """Return the calls of the well-formed frames, and the malformed frames.

    Args:
        frames: Frames of distinct groups; `sandbox.streams.FrameReader` has checked their sizes.
        questions: Episodes in a group.
    """
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
    sound = _all_well_formed(columns, frame_of, sizes, questions)
    why = {} if sound else _faults(columns, frame_of, sizes, questions)
    if why:
        spoilt = [malformed(frames[index], reason) for index, reason in sorted(why.items())]
        kept = [index for index in range(len(frames)) if index not in why]
        parsed, _ = parse([frames[index] for index in kept], questions)
        parsed.frame = np.array(kept, np.int64)[parsed.frame]
        return parsed, spoilt
    episode, op, value, count = columns
    group = np.array([frame.group for frame in frames], np.int64)
    texts = _texts(frames, heads, frame_of, op, count)
    return Parsed(frame_of, episode + group[frame_of] * questions, op, value, count, branch, texts), []


def _texts(
    frames: list[RequestFrame], heads: list[tuple[int, ...]], frame_of: Ints, op: Ints, count: Ints
) -> Iterator[bytes]:
    """Yield the texts of NOTE and FAIL entries, in their order."""
    spoken = np.flatnonzero(TEXTS[op])
    at = [len(frame.data) - n_text for frame, (_, _, n_text, _) in zip(frames, heads, strict=True)]
    for index, size in zip(frame_of[spoken].tolist(), count[spoken].tolist(), strict=True):
        yield frames[index].data[at[index] : at[index] + size]
        at[index] += size


def _all_well_formed(columns: Ints, frame_of: Ints, sizes: Ints, questions: int) -> bool:
    """Whether all frames are well formed, by a quick test for the usual case; where False, `_faults` checks in full."""
    episode, op, _, count = columns
    n_calls = sizes[:, 0]
    if not op.size or not n_calls.all() or op.min() < _FIRST or op.max() > _LAST or count.min() < 0:
        return False
    if episode.min() < 0 or episode.max() >= questions or TEXTS[op].any() or sizes[:, 2].any():
        return False
    listed = np.add.reduceat(np.where(LISTS[op], count, 0), np.cumsum(n_calls) - n_calls)
    if (listed != sizes[:, 1]).any():
        return False
    key, order = frame_of * questions + episode, np.arange(len(op))
    last = np.empty(len(sizes) * questions, np.int64)
    last[key] = order
    early = op[last[key] != order]
    return bool(_EARLY[early].all())


def _faults(columns: Ints, frame_of: Ints, sizes: Ints, questions: int) -> dict[int, str]:
    """Return why frames are malformed, by their index; empty if none is.

    `columns` is (4, n), the calls: episode, op, value, count. `sizes` is (frames, 4), the headers.
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
    listed = np.bincount(frame_of, weights=np.where(LISTS[op], count, 0), minlength=n)
    refuse(np.flatnonzero(listed != sizes[:, 1]), "a branch list that is not as long as its calls say")
    text_bytes = np.where(TEXTS[op], count, 0)
    spoken = np.bincount(frame_of, weights=text_bytes, minlength=n)
    refuse(np.flatnonzero(spoken != sizes[:, 2]), "text that is not as long as its calls say")
    refuse(frame_of[text_bytes > MAX_TEXT], "text that is too long")
    # Of one episode, one entry at most may be more than a PRUNE or a NOTE, and it comes last.
    final = np.flatnonzero(~_EARLY[op])
    key = frame_of * questions + episode
    last = np.full(n * questions, -1)
    last[key] = np.arange(len(op))
    early = final[last[key[final]] != final]
    refuse(frame_of[early], "an action after one that was not answered yet")
    return why


def malformed(frame: RequestFrame, why: str) -> MalformedFrame:
    """Return the record of a malformed frame; `why` says what the worker sent."""
    return MalformedFrame(frame.group, f"the worker sent {why}")
