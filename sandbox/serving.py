"""Serves the waiting frames of several workers in one pass over arrays.

Everything a worker sends is checked here before it is used: a frame that the worker's own code would never send ends
its group's episodes as PROTOCOL_ERROR. What a controller merely may not do comes back to it as a refusal.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envdata.actions import Op, Refusal
from envdata.episodes import Played
from envdata.ledger import Bools, Calls, Ints, Ledger, first_of_each
from sandbox.inside.wire import CALL_FIELDS, FINISHED, HEADER, MAX_TEXT, PARSED, REPLY
from sandbox.quoting import quoted
from sandbox.status import Status

_MOVES = np.zeros(256, bool)
_MOVES[[Op.BRANCH, Op.READ, Op.CONTINUE, Op.FINISH, Op.PROBE]] = True
_LISTS = np.zeros(256, bool)
_LISTS[[Op.CONTINUE, Op.FINISH, Op.PROBE]] = True
_TEXTS = np.zeros(256, bool)
_TEXTS[[Op.NOTE, Op.FAIL]] = True
_KNOWN = np.zeros(256, bool)
_KNOWN[list(Op)] = True

# Looked up once: an enumeration's members are slow to reach in Python 3.11.
_PRUNE, _NOTE, _ANSWER = int(Op.PRUNE), int(Op.NOTE), int(Op.ANSWER)
_BRANCH, _CONTINUE = int(Op.BRANCH), int(Op.CONTINUE)

_FIRST, _LAST = min(Op), max(Op)
"""All numbers between them are known."""

_FAILURES = frozenset({Status.EXCEPTION, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY})
"""What a worker may say of one of its episodes."""


class Table(Protocol):
    """What episodes are played at: many of a grid (`envdata.episodes.Episodes`), or one of a model."""

    questions: int
    """Episodes in a group."""

    @property
    def ledger(self) -> Ledger:
        """What is open, how deep, and what was spent."""

    @property
    def confident(self) -> bool:
        """Whether answers come with a confidence."""

    def play(self, calls: Calls) -> Played:
        """Apply calls of distinct episodes."""

    def prune(self, episode: Ints, branch: Ints) -> Ints:
        """PRUNE one branch an entry; returns `Refusal` values."""

    def answer(self, episode: int, label: int | None, status: int) -> Refusal:
        """ANSWER."""

    def fail(self, episode: int, status: int, why: str) -> Refusal:
        """End an episode without an answer."""

    def note(self, episode: int, text: str) -> None:
        """Put a controller's remark into the trace."""

    def answer_text(self, episode: int, code: int) -> str:
        """How an answer code is spelt."""


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
class _Calls:
    """The calls of several frames, episodes numbered across groups."""

    frame: Ints
    episode: Ints
    op: Ints
    value: Ints
    count: Ints
    branch: Ints
    texts: Iterator[bytes]
    """One for each NOTE and FAIL, in order."""

    def only(self, kept: Ints) -> "_Calls":
        """Some of the calls, with all branches that any of them lists."""
        return _Calls(
            self.frame[kept],
            self.episode[kept],
            self.op[kept],
            self.value[kept],
            self.count[kept],
            self.branch,
            self.texts,
        )


def serve(episodes: Table, frames: list[Frame], *, show_answers: bool) -> tuple[dict[int, bytes], list[Broken]]:
    """Apply the frames' calls; returns the reply to send to each group, and the frames that are broken.

    A broken frame changes nothing. A group that has no call to be answered gets no reply.
    """
    parsed, broken = _parse(episodes, frames)
    moves = _MOVES[parsed.op]
    if moves.all():
        own, frame_of = parsed, parsed.frame
    else:
        broken += _apply_others(episodes, frames, parsed)
        own = parsed.only(np.flatnonzero(moves))
        frame_of = own.frame
    if not own.op.size:
        return {}, broken
    calls = Calls(own.episode, own.op, own.value != 0, own.count, own.branch)
    played = episodes.play(calls)
    return _replies(episodes, frames, frame_of, calls, played, show_answers), broken


def _apply_others(episodes: Table, frames: list[Frame], parsed: _Calls) -> list[Broken]:
    """PRUNE, NOTE, ANSWER and FAIL; returns the frames with one that no worker of ours sends."""
    broken = []
    prunes = np.flatnonzero(parsed.op == _PRUNE)
    if prunes.size:
        refusals = episodes.prune(parsed.episode[prunes], parsed.value[prunes])
        wrong = prunes[refusals != 0].tolist()
        broken += [_broken(frames[parsed.frame[at]], "PRUNE of a branch that cannot be pruned") for at in wrong]
    for at in np.flatnonzero(_TEXTS[parsed.op] | (parsed.op == _ANSWER)).tolist():
        why = _end_or_note(episodes, parsed, at)
        if why:
            broken.append(_broken(frames[parsed.frame[at]], why))
    return broken


def _parse(episodes: Table, frames: list[Frame]) -> tuple[_Calls, list[Broken]]:
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
    sound = _sound(columns, frame_of, sizes, episodes.questions)
    why = {} if sound else _wrong(columns, frame_of, sizes, episodes.questions)
    if why:
        broken = [_broken(frames[index], reason) for index, reason in sorted(why.items())]
        kept = [index for index in range(len(frames)) if index not in why]
        parsed, _ = _parse(episodes, [frames[index] for index in kept])
        parsed.frame = np.array(kept, np.int64)[parsed.frame]
        return parsed, broken
    episode, op, value, count = columns
    group = np.array([frame.group for frame in frames], np.int64)
    branch = np.frombuffer(b"".join(lists), np.int32).astype(np.int64)
    texts = _texts(frames, heads, frame_of, op, count)
    return _Calls(frame_of, episode + group[frame_of] * episodes.questions, op, value, count, branch, texts), []


def _texts(frames: list[Frame], heads: list[tuple[int, ...]], frame_of: Ints, op: Ints, count: Ints) -> Iterator[bytes]:
    """The texts of NOTE and FAIL entries, in their order."""
    spoken = np.flatnonzero(_TEXTS[op])
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
    if episode.min() < 0 or episode.max() >= questions or _TEXTS[op].any() or sizes[:, 2].any():
        return False
    listed = np.add.reduceat(np.where(_LISTS[op], count, 0), np.cumsum(n_calls) - n_calls)
    if (listed != sizes[:, 1]).any():
        return False
    key, order = frame_of * questions + episode, np.arange(len(op))
    last = np.empty(len(sizes) * questions, np.int64)
    last[key] = order
    early = op[last[key] != order]
    return not (early != _PRUNE).any()


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
    said = np.where(_TEXTS[op], count, 0)
    spoken = np.bincount(frame_of, weights=said, minlength=n)
    refuse(np.flatnonzero(spoken != sizes[:, 2]), "text that is not as long as its calls say")
    refuse(frame_of[said > MAX_TEXT], "text that is too long")
    # Of one episode, one entry at most may be more than a PRUNE or a NOTE, and it comes last.
    final = np.flatnonzero((op != _PRUNE) & (op != _NOTE))
    key = frame_of * questions + episode
    last = np.full(n * questions, -1)
    last[key] = np.arange(len(op))
    early = final[last[key[final]] != final]
    refuse(frame_of[early], "an action after one that was not answered yet")
    return why


def _end_or_note(episodes: Table, parsed: _Calls, at: int) -> str | None:
    """Apply ANSWER, FAIL or NOTE; returns why it is not one a worker sends."""
    episode, op, value = int(parsed.episode[at]), int(parsed.op[at]), int(parsed.value[at])
    if op == Op.ANSWER:
        refusal = episodes.answer(episode, None if value == -1 else value, Status.OK)
        return None if refusal == Refusal.ADMITTED else f"ANSWER with label {value}: {refusal.name}"
    text = quoted(next(parsed.texts).decode("utf-8", "replace"))
    if op == Op.NOTE:
        if episodes.ledger.over[episode]:
            return "a NOTE after the episode's end"
        episodes.note(episode, text)
        return None
    if value not in _FAILURES:
        return f"a failure of kind {value}, which is not the worker's to report"
    refusal = episodes.fail(episode, value, text)
    return None if refusal == Refusal.ADMITTED else f"FAIL: {refusal.name}"


def _replies(
    episodes: Table, frames: list[Frame], frame_of: Ints, calls: Calls, played: Played, show_answers: bool
) -> dict[int, bytes]:
    """One reply a frame that has calls to be answered."""
    settled = played.settled
    n = len(calls.op)
    counts = np.bincount(settled.call, minlength=n)
    plain, detailed, details = _details(calls, played, counts)
    special = np.where(plain, np.bincount(settled.call[detailed], minlength=n), -1).astype(np.int32)
    refusals = settled.refusal.astype(np.int32)
    tokens = episodes.ledger.tokens[calls.episode]
    labels = played.label.astype(np.int32)
    flags = settled.finished[detailed] * np.uint8(FINISHED) + played.parsed[detailed] * np.uint8(PARSED)
    with_confidence = episodes.confident
    starts = first_of_each(frame_of)
    bounds = [*starts.tolist(), n]
    ends = np.concatenate([[0], np.cumsum(counts)])[bounds]
    targets, parts = ends.tolist(), np.searchsorted(detailed, ends).tolist()
    replies: dict[int, bytes] = {}
    for i, frame in enumerate(frame_of[starts].tolist()):
        own, (a, b), (c, d) = slice(bounds[i], bounds[i + 1]), targets[i : i + 2], parts[i : i + 2]
        group = frames[frame].group
        text = _spellings(episodes, group, settled.place[a:b], played, a, b) if show_answers else b""
        replies[group] = b"".join(
            (
                REPLY.pack(bounds[i + 1] - bounds[i], b - a, d - c, len(text), with_confidence),
                tokens[own].tobytes(),
                refusals[own].tobytes(),
                special[own].tobytes(),
                labels[a:b].tobytes(),
                details[c:d].tobytes(),
                settled.confidence[a:b].tobytes() if with_confidence else b"",
                flags[c:d].tobytes(),
                text,
            )
        )
    return replies


def _details(calls: Calls, played: Played, counts: Ints) -> tuple[Bools, Ints, npt.NDArray[np.int32]]:
    """Which calls are plain (n,), which targets are told in detail, and what is told: see `sandbox.link.Rows`."""
    settled, call = played.settled, played.settled.call
    odd = settled.finished | played.fresh
    plain: Bools = (calls.op == _BRANCH) | (calls.op == _CONTINUE)
    if not (plain.all() and settled.revealed.all()):
        plain[call[~settled.revealed]] = False
        odd |= ~plain[call]
    detailed: Ints = np.flatnonzero(odd)
    whose = call[detailed]
    first = np.cumsum(counts) - counts
    details = np.where(plain[whose], detailed - first[whose], settled.depth[detailed]).astype(np.int32)
    return plain, detailed, details


def _spellings(episodes: Table, group: int, place: Ints, played: Played, a: int, b: int) -> bytes:
    """How the answers that some targets revealed first are spelt, for a run that shows them."""
    said: dict[tuple[int, int], str] = {}
    fresh = np.flatnonzero(played.fresh[a:b])
    if not fresh.size:
        return b""
    for episode, label, code in zip(
        (place[fresh] // episodes.ledger.width).tolist(),
        played.label[a:b][fresh].tolist(),
        played.settled.answer[a:b][fresh].tolist(),
        strict=True,
    ):
        said[episode - group * episodes.questions, label] = episodes.answer_text(episode, code)
    return json.dumps([[episode, label, spelling] for (episode, label), spelling in said.items()]).encode()


def _broken(frame: Frame, why: str) -> Broken:
    return Broken(frame.group, f"the worker sent {why}")
