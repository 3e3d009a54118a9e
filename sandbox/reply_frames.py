"""Builds the reply frames to workers: what their calls revealed, and nothing else (layout: `sandbox.inside.wire`)."""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envdata.actions import Op
from envdata.episode_state import Bools, Calls, Floats, Ints, first_of_each
from envdata.episodes import CallResults
from sandbox.episode_protocol import PlayableEpisodes
from sandbox.inside.wire import FINISHED, PARSED, REPLY
from sandbox.request_frames import Parsed, RequestFrame
from sandbox.signal_reads import SignalReads

_BRANCH, _CONTINUE, _SIGNAL = int(Op.BRANCH), int(Op.CONTINUE), int(Op.SIGNAL)


class Spelling(NamedTuple):
    """The text of an answer label, for runs that show answers."""

    group: int
    number: int
    """The worker's number of the episode."""
    label: int
    text: str


class ReplyColumns(NamedTuple):
    """Columns of the replies to n calls with t targets (branches), d details and v signal values, call after call."""

    refusals: npt.NDArray[np.int32]
    """(n,): `Refusal` of each call."""
    tokens: Ints
    """(n,): tokens that each call's episode has spent."""
    special: npt.NDArray[np.int32]
    """(n,): number of details of a plain call, −1 for other calls."""
    labels: npt.NDArray[np.int32]
    """(t,): label of the revealed answer, −1 for none."""
    confidence: Floats
    """(t,): confidence of the revealed answer."""
    labelled: Ints
    """(n + 1,): offsets of each call's labels."""
    details: npt.NDArray[np.int32]
    """(d,): see `sandbox.link.RevealedRows`."""
    flags: npt.NDArray[np.uint8]
    """(d,): one per detail."""
    detailed: Ints
    """(n + 1,): offsets of each call's details."""
    signals: npt.NDArray[np.float32]
    """(v,): values of signals."""
    signalled: Ints | None
    """(n + 1,): offsets of each call's signal values; None where there are none."""


_NO_VALUES = np.zeros(0, np.float32)
_NO_INTS, _NONE = np.zeros(0, np.int32), np.zeros(1, np.int64)
NO_REPLIES = ReplyColumns(
    _NO_INTS,
    _NONE[:0],
    _NO_INTS,
    _NO_INTS,
    np.zeros(0),
    _NONE,
    _NO_INTS,
    np.zeros(0, np.uint8),
    _NONE,
    _NO_VALUES,
    None,
)
"""The replies to no calls."""


def replies_to(
    frames: list[RequestFrame], frame_of: Ints, columns: ReplyColumns, spelt: list[Spelling], *, with_confidence: bool
) -> dict[int, bytes]:
    """Return the reply frame to each frame that has calls to be answered, by group.

    Args:
        frames: The workers' frames.
        frame_of: (n,) index of each answered call's frame, ascending.
        columns: The replies to the n calls.
        spelt: Texts of the answers that these calls revealed first; empty unless the run shows answers.
        with_confidence: Whether answers come with a confidence.
    """
    n = len(columns.refusals)
    starts = first_of_each(frame_of)
    bounds = [*starts.tolist(), n]
    label_at, detail_at = columns.labelled[bounds].tolist(), columns.detailed[bounds].tolist()
    signal_at = [0] * len(bounds) if columns.signalled is None else columns.signalled[bounds].tolist()
    texts: dict[int, list[tuple[int, int, str]]] = {}
    for group, number, label, spelling in spelt:
        texts.setdefault(group, []).append((number, label, spelling))
    replies: dict[int, bytes] = {}
    for i, frame in enumerate(frame_of[starts].tolist()):
        own, (a, b), (c, d) = slice(bounds[i], bounds[i + 1]), label_at[i : i + 2], detail_at[i : i + 2]
        e, f = signal_at[i : i + 2]
        group = frames[frame].group
        text = json.dumps(texts[group]).encode() if group in texts else b""
        replies[group] = b"".join(
            (
                REPLY.pack(bounds[i + 1] - bounds[i], b - a, d - c, len(text), with_confidence, f - e),
                columns.tokens[own].tobytes(),
                columns.refusals[own].tobytes(),
                columns.special[own].tobytes(),
                columns.labels[a:b].tobytes(),
                columns.details[c:d].tobytes(),
                columns.confidence[a:b].tobytes() if with_confidence else b"",
                columns.signals[e:f].tobytes(),
                columns.flags[c:d].tobytes(),
                text,
            )
        )
    return replies


def columns_of(episodes: PlayableEpisodes, calls: Calls, played: CallResults) -> ReplyColumns:
    """Return the replies to calls that were applied to the episodes, with their results `played`."""
    settled, n = played.settled, len(calls.op)
    counts = np.bincount(settled.call, minlength=n)
    plain, detailed, details = _details(calls, played, counts)
    flags = settled.finished[detailed] * np.uint8(FINISHED) + played.parsed(detailed) * np.uint8(PARSED)
    whose = settled.call[detailed]
    special = np.where(plain, np.bincount(whose, minlength=n), -1).astype(np.int32)
    return ReplyColumns(
        settled.refusal.astype(np.int32),
        episodes.states.tokens[calls.episode],
        special,
        played.label.astype(np.int32),
        settled.confidence,
        np.concatenate([[0], np.cumsum(counts)]),
        details,
        flags,
        np.searchsorted(whose, np.arange(n + 1)),
        _NO_VALUES,
        None,
    )


def with_reads(columns: ReplyColumns, episodes: PlayableEpisodes, answered: Parsed, reads: SignalReads) -> ReplyColumns:
    """Return the replies to moves and to reads of signals, in the order of their calls.

    Args:
        columns: The replies to the moves alone.
        episodes: The episodes.
        answered: The moves and the reads.
        reads: The reads and their values.
    """
    n = len(answered.op)
    read = answered.op == _SIGNAL
    moves = np.flatnonzero(~read)
    refusals, special = np.zeros(n, np.int32), np.full(n, -1, np.int32)
    refusals[moves], special[moves] = columns.refusals, columns.special
    return columns._replace(
        refusals=refusals,
        tokens=episodes.states.tokens[answered.episode],
        special=special,
        labelled=_offsets(n, moves, np.diff(columns.labelled)),
        detailed=_offsets(n, moves, np.diff(columns.detailed)),
        signals=reads.values,
        signalled=_offsets(n, np.flatnonzero(read), reads.counts),
    )


def _offsets(n: int, at: Ints, counts: Ints) -> Ints:
    """Return offsets of n calls, shape (n + 1,), of which those `at` some positions have `counts` entries."""
    sizes = np.zeros(n + 1, np.int64)
    sizes[at + 1] = counts
    offsets: Ints = np.cumsum(sizes)
    return offsets


def _details(calls: Calls, played: CallResults, counts: Ints) -> tuple[Bools, Ints, npt.NDArray[np.int32]]:
    """Return which calls are plain (n,), the targets that get a detail (d,), and the details (d,).

    `counts` is (n,), the targets of each call. For details see `sandbox.link.RevealedRows`.
    """
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


def spellings(episodes: PlayableEpisodes, played: CallResults, number_of: Callable[[int], int]) -> list[Spelling]:
    """Return the texts of the answers that calls revealed first, for a run that shows answers.

    `number_of` maps an episode to its worker's number of it.
    """
    fresh = np.flatnonzero(played.fresh)
    texts: dict[tuple[int, int], str] = {}
    for episode, label, code in zip(
        (played.settled.place[fresh] // episodes.states.width).tolist(),
        played.label[fresh].tolist(),
        played.settled.answer[fresh].tolist(),
        strict=True,
    ):
        texts[episode, label] = episodes.answer_text(episode, code)
    return [
        Spelling(episode // episodes.questions, number_of(episode), label, text)
        for (episode, label), text in texts.items()
    ]
