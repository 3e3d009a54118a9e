"""Serves the waiting frames of several workers in one pass over arrays.

Everything a worker sends is checked here before it is used: a frame that the worker's own code would never send ends
its group's episodes as PROTOCOL_ERROR. What a controller merely may not do comes back to it as a refusal.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from envdata.actions import Op, Refusal
from envdata.episodes import Episodes, Played
from envdata.rules import Calls, Ints
from sandbox.inside.wire import HEADER, MAX_TEXT
from sandbox.quoting import quoted
from sandbox.status import Status

_MOVES = np.zeros(256, bool)
_MOVES[[Op.BRANCH, Op.CONTINUE, Op.FINISH, Op.PROBE]] = True
_LISTS = np.zeros(256, bool)
_LISTS[[Op.CONTINUE, Op.FINISH, Op.PROBE]] = True
_TEXTS = np.zeros(256, bool)
_TEXTS[[Op.NOTE, Op.FAIL]] = True
_KNOWN = np.zeros(256, bool)
_KNOWN[list(Op)] = True

_FAILURES = frozenset({Status.EXCEPTION, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY})
"""What a worker may say of one of its episodes."""


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
    """The calls of all frames, episodes numbered across groups."""

    frame: Ints
    episode: Ints
    op: Ints
    value: Ints
    count: Ints
    branch: Ints
    texts: list[bytes]


def serve(episodes: Episodes, frames: list[Frame], *, show_answers: bool) -> tuple[dict[int, bytes], list[Broken]]:
    """Apply the frames' calls; returns the reply to send to each group, and the frames that are broken.

    A broken frame changes nothing. A group that has no call to be answered gets no reply.
    """
    parsed, broken = _parse(episodes, frames)
    ops = parsed.op
    prunes = np.flatnonzero(ops == Op.PRUNE)
    if prunes.size:
        refusals = episodes.prune(parsed.episode[prunes], parsed.value[prunes])
        for at in prunes[refusals != Refusal.ADMITTED].tolist():
            broken.append(_broken(frames[parsed.frame[at]], "PRUNE of a branch that cannot be pruned"))
    with_text = iter(parsed.texts)
    for at in np.flatnonzero(_TEXTS[ops] | (ops == Op.ANSWER)).tolist():
        why = _end_or_note(episodes, parsed, at, with_text)
        if why:
            broken.append(_broken(frames[parsed.frame[at]], why))
    moves = np.flatnonzero(_MOVES[ops])
    if not moves.size:
        return {}, broken
    calls = Calls(
        parsed.episode[moves], ops[moves], parsed.value[moves] != 0, parsed.count[moves], parsed.branch
    )
    played = episodes.play(calls)
    return _replies(episodes, frames, parsed.frame[moves], calls, played, show_answers), broken


def _parse(episodes: Episodes, frames: list[Frame]) -> tuple[_Calls, list[Broken]]:
    calls, branches, frame_of, texts = [], [], [], []
    broken: list[Broken] = []
    for index, frame in enumerate(frames):
        n_calls, n_branches, n_text, _ = HEADER.unpack_from(frame.data)
        own = np.frombuffer(frame.data, np.int32, n_calls * 4, HEADER.size).reshape(-1, 4).astype(np.int64)
        at = HEADER.size + n_calls * 16
        listed = np.frombuffer(frame.data, np.int32, n_branches, at).astype(np.int64)
        text = frame.data[at + n_branches * 4 :]
        why = _wrong(own, n_branches, n_text, episodes.questions)
        if why:
            broken.append(_broken(frame, why))
            continue
        own[:, 0] += frame.group * episodes.questions
        calls.append(own)
        branches.append(listed)
        frame_of.append(np.full(n_calls, index))
        if n_text:
            ends = np.cumsum(own[_TEXTS[own[:, 1]], 3])
            texts += [text[start:end] for start, end in zip([0, *ends.tolist()], ends.tolist(), strict=False)]
        elif n_calls:
            texts += [b""] * int(_TEXTS[own[:, 1]].sum())
    if not calls:
        nothing = np.zeros(0, np.int64)
        return _Calls(nothing, nothing, nothing, nothing, nothing, nothing, []), broken
    table = np.concatenate(calls)
    columns = np.ascontiguousarray(table.T)
    return _Calls(np.concatenate(frame_of), *columns, np.concatenate(branches), texts), broken


def _wrong(calls: Ints, n_branches: int, n_text: int, questions: int) -> str | None:
    """Why a frame's calls make no sense, None if they do. `calls` is (n, 4): episode, op, value, count."""
    if not len(calls):
        return "a frame without calls"
    episode, op, _, count = calls.T
    if ((op < 0) | (op > 255)).any() or not _KNOWN[op].all():
        return "an action that does not exist"
    if ((episode < 0) | (episode >= questions)).any():
        return f"an episode outside 0 … {questions - 1}"
    if (count < 0).any():
        return "a negative number of branches"
    if int(count[_LISTS[op]].sum()) != n_branches:
        return "a branch list that is not as long as its calls say"
    spoken = count[_TEXTS[op]]
    if int(spoken.sum()) != n_text or (spoken > MAX_TEXT).any():
        return "text that is not as long as its calls say, or too long"
    # Of one episode, one entry at most may be more than a PRUNE or a NOTE, and it comes last.
    final = (op != Op.PRUNE) & (op != Op.NOTE)
    last = np.full(questions, -1)
    last[episode] = np.arange(len(op))
    if (last[episode[final]] != np.flatnonzero(final)).any():
        return "an action after one that was not answered yet"
    return None


def _end_or_note(episodes: Episodes, parsed: _Calls, at: int, texts: Iterator[bytes]) -> str | None:
    """Apply ANSWER, FAIL or NOTE; returns why it is not one a worker sends."""
    episode, op, value = int(parsed.episode[at]), int(parsed.op[at]), int(parsed.value[at])
    if op == Op.ANSWER:
        refusal = episodes.answer(episode, None if value == -1 else value, Status.OK)
        return None if refusal == Refusal.ADMITTED else f"ANSWER with label {value}: {refusal.name}"
    text = quoted(next(texts).decode("utf-8", "replace"))
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
    episodes: Episodes, frames: list[Frame], frame_of: Ints, calls: Calls, played: Played, show_answers: bool
) -> dict[int, bytes]:
    """One reply a frame that has calls to be answered."""
    settled = played.settled
    n = len(calls.op)
    counts = np.bincount(settled.call, minlength=n)
    refusals = np.empty((n, 2), np.int32)
    refusals[:, 0] = settled.refusal
    refusals[:, 1] = counts
    tokens = episodes.ledger.tokens[calls.episode]
    words = np.where(played.label >= 0, played.label * 2 + played.parsed, -1).astype(np.int32)
    states = (settled.depth * 2 + settled.finished).astype(np.int32)
    with_confidence = episodes.grid.arrays.confidences is not None
    first_target = np.concatenate([[0], np.cumsum(counts)])
    starts = np.flatnonzero(np.diff(frame_of, prepend=-1))
    replies: dict[int, bytes] = {}
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), n], strict=True):
        a, b = int(first_target[start]), int(first_target[end])
        frame = frames[frame_of[start]]
        text = _spellings(episodes, frame.group, settled.place[a:b], played, a, b) if show_answers else b""
        parts = [
            HEADER.pack(end - start, b - a, len(text), int(with_confidence)),
            refusals[start:end].tobytes(),
            tokens[start:end].tobytes(),
            words[a:b].tobytes(),
            states[a:b].tobytes(),
        ]
        if with_confidence:
            parts.append(settled.confidence[a:b].tobytes())
        replies[frame.group] = b"".join([*parts, text])
    return replies


def _spellings(episodes: Episodes, group: int, place: Ints, played: Played, a: int, b: int) -> bytes:
    """How the answers of some targets are spelt, for a run that shows them."""
    said: dict[tuple[int, int], str] = {}
    for episode, label, code in zip(
        (place // episodes.ledger.width).tolist(),
        played.label[a:b].tolist(),
        played.settled.answer[a:b].tolist(),
        strict=True,
    ):
        if label >= 0:
            said[episode - group * episodes.questions, label] = episodes.answer_text(episode, code)
    return json.dumps([[episode, label, spelling] for (episode, label), spelling in said.items()]).encode()


def _broken(frame: Frame, why: str) -> Broken:
    return Broken(frame.group, f"the worker sent {why}")
