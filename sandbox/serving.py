"""Serves the waiting frames of several workers in one pass over arrays.

Everything a worker sends is checked before it is used (`sandbox.frames`): a frame that the worker's own code would
never send ends its group's episodes as PROTOCOL_ERROR. What a controller merely may not do comes back as a refusal.
"""

import numpy as np

from envdata.actions import Op, Refusal
from sandbox.frames import MOVES, TEXTS, Broken, Frame, Parsed, broken_by, parse
from sandbox.quoting import quoted
from sandbox.replies import replies_to
from sandbox.status import Status
from sandbox.table import Table

# Looked up once: an enumeration's members are slow to reach in Python 3.11.
_PRUNE, _ANSWER = int(Op.PRUNE), int(Op.ANSWER)

_FAILURES = frozenset({Status.EXCEPTION, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY})
"""What a worker may say of one of its episodes."""


def serve(episodes: Table, frames: list[Frame], *, show_answers: bool) -> tuple[dict[int, bytes], list[Broken]]:
    """Apply the frames' calls; returns the reply to send to each group, and the frames that are broken.

    A broken frame changes nothing. A group that has no call to be answered gets no reply.
    """
    parsed, broken = parse(frames, episodes.questions)
    moves = MOVES[parsed.op]
    if moves.all():
        own, frame_of = parsed, parsed.frame
    else:
        broken += _apply_others(episodes, frames, parsed)
        own = parsed.only(np.flatnonzero(moves))
        frame_of = own.frame
    if not own.op.size:
        return {}, broken
    calls = own.moves()
    played = episodes.play(calls)
    return replies_to(episodes, frames, frame_of, calls, played, show_answers), broken


def _apply_others(episodes: Table, frames: list[Frame], parsed: Parsed) -> list[Broken]:
    """PRUNE, NOTE, ANSWER and FAIL; returns the frames with one that no worker of ours sends."""
    broken = []
    prunes = np.flatnonzero(parsed.op == _PRUNE)
    if prunes.size:
        refusals = episodes.prune(parsed.episode[prunes], parsed.value[prunes])
        wrong = prunes[refusals != 0].tolist()
        broken += [broken_by(frames[parsed.frame[at]], "PRUNE of a branch that cannot be pruned") for at in wrong]
    for at in np.flatnonzero(TEXTS[parsed.op] | (parsed.op == _ANSWER)).tolist():
        why = _end_or_note(episodes, parsed, at)
        if why:
            broken.append(broken_by(frames[parsed.frame[at]], why))
    return broken


def _end_or_note(episodes: Table, parsed: Parsed, at: int) -> str | None:
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
