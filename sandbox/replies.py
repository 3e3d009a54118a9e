"""What workers are told of their calls: what these revealed, and nothing else (`sandbox.inside.wire` has the form)."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from envdata.actions import Op
from envdata.episodes import Played
from envdata.ledger import Bools, Calls, Floats, Ints, first_of_each
from envdata.rules import Course
from sandbox.frames import Frame
from sandbox.inside.wire import FINISHED, IN_TURN_TOLD, PARSED, REPLY, ROUNDS_TOLD, ROUNDS_TOLD_HEAD, SEALED
from sandbox.sealing import Handed
from sandbox.table import Table

_BRANCH, _CONTINUE = int(Op.BRANCH), int(Op.CONTINUE)
_ROUNDS, _IN_TURN = int(Op.ROUNDS), int(Op.IN_TURN)


class _Told(NamedTuple):
    """What n calls are told, call after call."""

    special: npt.NDArray[np.int32]
    """(n,)."""
    labels: npt.NDArray[np.int32]
    confidence: Floats
    """With each label."""
    labelled: Ints
    """(n + 1,) where each call's labels begin."""
    details: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    """With each detail."""
    detailed: Ints
    """(n + 1,) where each call's details begin."""


def replies_to(
    episodes: Table, frames: list[Frame], frame_of: Ints, calls: Calls, played: Played, show_answers: bool,
    handed: Mapping[int, Handed],
) -> dict[int, bytes]:  # fmt: skip
    """One reply a frame that has calls to be answered, by group; `frame_of` says which frame a call is of.

    `handed` has, by episode, the branches that come sealed, and the pipes that they are in.
    """
    n = len(calls.op)
    told = _told(calls, played)
    refusals = played.settled.refusal.astype(np.int32)
    tokens = episodes.ledger.tokens[calls.episode]
    with_confidence = episodes.confident
    starts = first_of_each(frame_of)
    bounds = [*starts.tolist(), n]
    label_at, detail_at = told.labelled[bounds].tolist(), told.detailed[bounds].tolist()
    target_at = np.searchsorted(played.settled.call, bounds).tolist() if show_answers else []
    replies: dict[int, bytes] = {}
    for i, frame in enumerate(frame_of[starts].tolist()):
        own, (a, b), (c, d) = slice(bounds[i], bounds[i + 1]), label_at[i : i + 2], detail_at[i : i + 2]
        group = frames[frame].group
        said = _spellings(episodes, group, played, *target_at[i : i + 2]) if show_answers else []
        first = group * episodes.questions
        said += [
            (episode - first, SEALED, handed[episode]) for episode in calls.episode[own].tolist() if episode in handed
        ]
        text = json.dumps(said).encode() if said else b""
        replies[group] = b"".join(
            (
                REPLY.pack(bounds[i + 1] - bounds[i], b - a, d - c, len(text), with_confidence),
                tokens[own].tobytes(),
                refusals[own].tobytes(),
                told.special[own].tobytes(),
                told.labels[a:b].tobytes(),
                told.details[c:d].tobytes(),
                told.confidence[a:b].tobytes() if with_confidence else b"",
                told.flags[c:d].tobytes(),
                text,
            )
        )
    return replies


def _told(calls: Calls, played: Played) -> _Told:
    settled, course, n = played.settled, played.course, len(calls.op)
    counts = np.bincount(settled.call, minlength=n)
    plain, detailed, details = _details(calls, played, counts)
    flags = settled.finished[detailed] * np.uint8(FINISHED) + played.parsed(detailed) * np.uint8(PARSED)
    whose = settled.call[detailed]
    special = np.where(plain, np.bincount(whose, minlength=n), -1).astype(np.int32)
    labels = played.label.astype(np.int32)
    if course is None:
        at = np.concatenate([[0], np.cumsum(counts)])
        return _Told(special, labels, settled.confidence, at, details, flags, np.searchsorted(whose, np.arange(n + 1)))
    rounded, turns = calls.op == _ROUNDS, np.flatnonzero(calls.op == _IN_TURN)
    special[rounded], special[turns] = ROUNDS_TOLD, IN_TURN_TOLD
    own = rounded[settled.call]
    more = _of_rounds(np.flatnonzero(rounded), np.flatnonzero(own), played, course)
    kept = ~own[detailed]
    # IN_TURN says first how many were read; then all are put together, call after call.
    whose = np.concatenate([turns, whose[kept], more.call])
    order = np.argsort(whose, kind="stable")
    details = np.concatenate([course.opened[turns].astype(np.int32), details[kept], more.details])[order]
    flags = np.concatenate([np.zeros(len(turns), np.uint8), flags[kept], more.flags])[order]
    each, shown = np.arange(n + 1), settled.revealed | ~own
    if not shown.all():
        labels, confidence, call = labels[shown], settled.confidence[shown], settled.call[shown]
    else:
        confidence, call = settled.confidence, settled.call
    at, detailed_at = np.searchsorted(call, each), np.searchsorted(whose[order], each)
    return _Told(special, labels, confidence, at, details, flags, detailed_at)


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


class _Details(NamedTuple):
    call: Ints
    details: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]


def _of_rounds(which: Ints, rows: Ints, played: Played, course: Course) -> _Details:
    """The details of ROUNDS calls; `rows` are their targets."""
    settled, n = played.settled, len(course.taken)
    call, slot = settled.call[rows], course.slot[rows]
    starts = first_of_each(call * (int(slot.max(initial=0)) + 1) + slot)
    bounds = np.append(starts, len(rows))
    ends = rows[bounds[1:] - 1]
    shown = np.diff(bounds)
    if not settled.revealed.all():
        shown = np.add.reduceat(settled.revealed[rows].astype(np.int64), starts) if starts.size else starts
    branches = np.stack([shown, settled.depth[ends]], axis=1).ravel()
    ended = np.stack([settled.finished[ends] * FINISHED, np.zeros(len(ends), np.int64)], axis=1).ravel()
    # New labels are numbered by the steps, and are met in the order of their numbers. All targets that reveal one say
    # the same of it, so that any of them will do.
    fresh = rows[played.fresh[rows]]
    label = played.label[fresh]
    width = int(label.max(initial=0)) + 1
    at = np.full(n * width, -1)
    at[settled.call[fresh] * width + label] = fresh
    new = np.flatnonzero(at >= 0)
    meeting, met = np.divmod(new, width)
    parsed = played.parsed(at[new]) * PARSED
    told, news = (np.bincount(calls, minlength=n)[which] for calls in (settled.call[ends], meeting))
    heads = np.stack([course.taken[which], course.opened[which], told, news], axis=1).ravel()
    details = np.concatenate([heads, branches, met]).astype(np.int32)
    flags = np.concatenate([np.zeros(len(heads), np.int64), ended, parsed]).astype(np.uint8)
    whose = np.concatenate([np.repeat(which, ROUNDS_TOLD_HEAD), np.repeat(settled.call[ends], 2), meeting])
    return _Details(whose, details, flags)


def _spellings(episodes: Table, group: int, played: Played, a: int, b: int) -> list[tuple[int, int, Any]]:
    """How the answers that some targets revealed first are spelt, for a run that shows them: episode, label, text."""
    fresh = np.flatnonzero(played.fresh[a:b])
    if not fresh.size:
        return []
    said: dict[tuple[int, int], str] = {}
    for episode, label, code in zip(
        (played.settled.place[a:b][fresh] // episodes.ledger.width).tolist(),
        played.label[a:b][fresh].tolist(),
        played.settled.answer[a:b][fresh].tolist(),
        strict=True,
    ):
        said[episode - group * episodes.questions, label] = episodes.answer_text(episode, code)
    return [(episode, label, spelling) for (episode, label), spelling in said.items()]
