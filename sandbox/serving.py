"""Serves the waiting frames of several workers in one pass over arrays.

Everything a worker sends is checked before it is used (`sandbox.frames`): a frame that the worker's own code would
never send ends its group's episodes as PROTOCOL_ERROR. What a controller merely may not do comes back as a refusal.
"""

import numpy as np

from envdata.actions import Op, Refusal
from sandbox.frames import MOVES, TEXTS, Broken, Frame, Parsed, broken_by, parse
from sandbox.quoting import quoted
from sandbox.replies import replies_to
from sandbox.sealing import Sealer
from sandbox.status import Status
from sandbox.table import Table

# Looked up once: an enumeration's members are slow to reach in Python 3.11.
_PRUNE, _ANSWER, _NOTE = int(Op.PRUNE), int(Op.ANSWER), int(Op.NOTE)
_FAIL, _TAKEN = int(Op.FAIL), int(Op.TAKEN)
_TAKES_NOTHING = slice(None)

_FAILURES = frozenset({Status.EXCEPTION, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY})
"""What a worker may say of one of its episodes."""


def serve(
    episodes: Table, frames: list[Frame], *, show_answers: bool, seals: Sealer | None = None
) -> tuple[dict[int, bytes], list[Broken]]:
    """Apply the frames' calls; returns the reply to send to each group, and the frames that are broken.

    A group that has no call to be answered gets no reply. `seals` hands out sealed branches with the replies.
    """
    parsed, broken = parse(frames, episodes.questions)
    moves = MOVES[parsed.op]
    if moves.all():
        own, frame_of = parsed, parsed.frame
    else:
        broken += _apply_others(episodes, frames, parsed, seals)
        own = parsed.only(np.flatnonzero(moves))
        frame_of = own.frame
    if not own.op.size:
        return {}, broken
    calls = own.moves()
    played = episodes.play(calls)
    handed = {} if seals is None else seals.hand_out(calls, played)
    return replies_to(episodes, frames, frame_of, calls, played, show_answers, handed), broken


def _apply_others(episodes: Table, frames: list[Frame], parsed: Parsed, seals: Sealer | None) -> list[Broken]:
    """TAKEN, PRUNE, NOTE, ANSWER and FAIL; returns the frames with one that no worker of ours sends."""
    broken = []
    taken = np.flatnonzero(parsed.op == _TAKEN)
    if taken.size:
        wrong = _TAKES_NOTHING if seals is None else seals.take(parsed.only(taken))
        broken += [broken_by(frames[parsed.frame[at]], "what cannot have been taken") for at in taken[wrong].tolist()]
    ended = parsed.episode[(parsed.op == _ANSWER) | (parsed.op == _FAIL)]
    lying = set() if seals is None else seals.settle(ended)
    prunes = np.flatnonzero(parsed.op == _PRUNE)
    if prunes.size:
        refusals = episodes.prune(parsed.episode[prunes], parsed.value[prunes])
        wrong = prunes[refusals != 0].tolist()
        broken += [broken_by(frames[parsed.frame[at]], "PRUNE of a branch that cannot be pruned") for at in wrong]
    for at in np.flatnonzero(TEXTS[parsed.op] | (parsed.op == _ANSWER)).tolist():
        text = quoted(next(parsed.texts).decode("utf-8", "replace")) if TEXTS[parsed.op[at]] else ""
        told = int(parsed.episode[at]) not in lying
        why = _end_or_note(episodes, parsed, at, text) if told else "other than what it took"
        if why:
            broken.append(broken_by(frames[parsed.frame[at]], why))
    return broken


def _end_or_note(episodes: Table, parsed: Parsed, at: int, text: str) -> str | None:
    """Apply ANSWER, FAIL or NOTE; returns why it is not one a worker sends."""
    episode, op, value = int(parsed.episode[at]), int(parsed.op[at]), int(parsed.value[at])
    if op == _ANSWER:
        refusal = episodes.answer(episode, None if value == -1 else value, Status.OK)
        return None if refusal == Refusal.ADMITTED else f"ANSWER with label {value}: {refusal.name}"
    if op == _NOTE:
        if episodes.ledger.over[episode]:
            return "a NOTE after the episode's end"
        episodes.note(episode, text)
        return None
    if value not in _FAILURES:
        return f"a failure of kind {value}, which is not the worker's to report"
    refusal = episodes.fail(episode, value, text)
    return None if refusal == Refusal.ADMITTED else f"FAIL: {refusal.name}"
