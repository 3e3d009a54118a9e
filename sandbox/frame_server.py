"""Serves the waiting frames of several workers in one pass over arrays.

Every frame is checked before it is used (`sandbox.request_frames`): one that the worker's own code would never send
ends its group's episodes as PROTOCOL_ERROR. An action that is well formed but not admissible is answered by a refusal.
"""

import numpy as np

from envdata.actions import Op, Refusal
from envdata.episode_state import Ints
from sandbox.episode_protocol import PlayableEpisodes
from sandbox.reply_frames import NO_REPLIES, Spelling, columns_of, replies_to, spellings, with_reads
from sandbox.request_frames import MOVES, TEXTS, MalformedFrame, Parsed, RequestFrame, malformed, parse
from sandbox.sanitize import quoted
from sandbox.signal_reads import read_signals, without_reads
from sandbox.status import Status

# Looked up once: an enumeration's members are slow to reach in Python 3.11.
_PRUNE, _ANSWER, _NOTE, _SIGNAL = int(Op.PRUNE), int(Op.ANSWER), int(Op.NOTE), int(Op.SIGNAL)

_FAILURES = frozenset({Status.EXCEPTION, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY})
"""Failures of an episode that a worker may report."""


class Numbering:
    """Maps workers' numbers of their episodes to episodes: one permutation of the questions per group."""

    def __init__(self, groups: int, questions: int) -> None:
        """Start with the identity for every group; `begin` sets a group's permutation."""
        self._questions = questions
        own = np.arange(groups * questions)
        self._episode_of, self._number_of = own.copy(), own % questions

    def begin(self, group: int, questions: list[int]) -> None:
        """Set a group's permutation: its worker's number n is question `questions[n]`."""
        first, numbers = group * self._questions, np.arange(self._questions)
        self._episode_of[first + numbers] = first + np.array(questions)
        self._number_of[first + np.array(questions)] = numbers

    def episode(self, number: Ints) -> Ints:
        """Return the episodes (group × Q + question) for the workers' numbers (group × Q + number)."""
        episode: Ints = self._episode_of[number]
        return episode

    def number(self, episode: int) -> int:
        """Return the worker's number of an episode."""
        return int(self._number_of[episode])


def serve(
    episodes: PlayableEpisodes, frames: list[RequestFrame], *, show_answers: bool, numbering: Numbering
) -> tuple[dict[int, bytes], list[MalformedFrame]]:
    """Apply the calls of the frames to the episodes; return the reply to each group, and the malformed frames.

    Args:
        episodes: The episodes of all groups.
        frames: Frames of distinct groups.
        show_answers: Whether replies hold the texts of answers.
        numbering: Maps the workers' numbers to episodes.

    Returns:
        Reply frames by group, and the malformed frames. A group without a call to be answered gets no reply.
    """
    parsed, broken = parse(frames, episodes.questions)
    parsed.episode = numbering.episode(parsed.episode)
    moves = MOVES[parsed.op]
    reads = None
    if moves.all():
        own = parsed
    else:
        broken += _apply_others(episodes, frames, parsed)
        if (parsed.op == _SIGNAL).any():
            reads = read_signals(episodes, parsed)
            broken += [malformed(frames[parsed.frame[at]], "a read of no signal") for at in reads.malformed.tolist()]
            parsed.branch = without_reads(parsed)
        own = parsed.only(np.flatnonzero(moves))
    if not own.op.size and reads is None:
        return {}, broken
    spelt: list[Spelling] = []
    columns = NO_REPLIES
    if own.op.size:
        calls = own.moves()
        played = episodes.play(calls)
        spelt = spellings(episodes, played, numbering.number) if show_answers else []
        columns = columns_of(episodes, calls, played)
    if reads is not None:
        answered = parsed.only(np.flatnonzero(moves | (parsed.op == _SIGNAL)))
        columns = with_reads(columns, episodes, answered, reads)
        return replies_to(frames, answered.frame, columns, spelt, with_confidence=episodes.confident), broken
    return replies_to(frames, own.frame, columns, spelt, with_confidence=episodes.confident), broken


def _apply_others(episodes: PlayableEpisodes, frames: list[RequestFrame], parsed: Parsed) -> list[MalformedFrame]:
    """Apply PRUNE, NOTE, ANSWER and FAIL; return the frames with an entry that the worker's own code never sends."""
    broken = []
    prunes = np.flatnonzero(parsed.op == _PRUNE)
    if prunes.size:
        refusals = episodes.prune(parsed.episode[prunes], parsed.value[prunes])
        wrong = prunes[refusals != 0].tolist()
        broken += [malformed(frames[parsed.frame[at]], "PRUNE of a branch that cannot be pruned") for at in wrong]
    for at in np.flatnonzero(TEXTS[parsed.op] | (parsed.op == _ANSWER)).tolist():
        text = quoted(next(parsed.texts).decode("utf-8", "replace")) if TEXTS[parsed.op[at]] else ""
        why = _apply_answer_fail_or_note(episodes, parsed, at, text)
        if why:
            broken.append(malformed(frames[parsed.frame[at]], why))
    return broken


def _apply_answer_fail_or_note(episodes: PlayableEpisodes, parsed: Parsed, at: int, text: str) -> str | None:
    """Apply ANSWER, FAIL or NOTE at position `at`; return why it is malformed, None if it is not."""
    episode, op, value = int(parsed.episode[at]), int(parsed.op[at]), int(parsed.value[at])
    if op == _ANSWER:
        refusal = episodes.answer(episode, None if value == -1 else value, Status.OK)
        return None if refusal == Refusal.ADMITTED else f"ANSWER with label {value}: {refusal.name}"
    if op == _NOTE:
        if episodes.states.over[episode]:
            return "a NOTE after the episode's end"
        episodes.note(episode, text)
        return None
    if value not in _FAILURES:
        return f"a failure of kind {value}, which is not the worker's to report"
    refusal = episodes.fail(episode, value, text)
    return None if refusal == Refusal.ADMITTED else f"FAIL: {refusal.name}"
