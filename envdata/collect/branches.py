"""Cutting and probing of one question's traces, which gives its rows of a grid.

A trace is probed as soon as it has ended, while others of its question are still being decoded: its part of the
engine's prefix cache is then still there, whatever the number and the length of the others.

Probes are greedy, so equal prefixes have equal probes. Branches of one question often begin alike; each distinct prefix
is probed once, and every branch that has it is charged the probe's cost, as if it had been alone.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from envdata.answers import NO_ANSWER
from envdata.collect.answer_reader import Reader
from envdata.collect.concurrency import together
from envdata.collect.cut_points import cuts, recorded_intervals
from envdata.collect.engine import Continuation, Engine, Prompt, Sampler
from envdata.collect.extraction import Token, mean_logprob, shifted
from envdata.collect.questions import Question
from envdata.collect.settings import CollectionSettings
from envdata.collect.token_confidence import CONFIDENCE_SIGNAL, mean_confidences

PROBES_A_REQUEST = 256
"""Largest number of probes in one request."""

Report = Callable[[int], None]
"""Called with the number of tokens that were decoded."""


@dataclass(frozen=True)
class Branch:
    """One collected branch; fields as in `envdata.grid.BranchRow`."""

    tokens: int
    final_answer: str
    finish_reason: str | None
    probe_answers: list[str]
    """Without probes as many marks of the absence of an answer."""
    probe_confidences: list[float | None] | None
    """None, like the costs, in a collection without probes."""
    probe_tokens: list[int] | None
    text: str | None
    probe_prefill: list[int] | None = None
    """None where the engine does not tell its prefix cache's part of a prompt."""
    signals: dict[str, list[float | None]] | None = None


async def collect_question(
    engine: Sampler, question: Question, settings: CollectionSettings, report: Report
) -> list[Branch]:
    """Draw, cut and probe the branches of one question.

    Args:
        engine: The engine; with probes it must be an `envdata.collect.engine.Engine`.
        question: The question.
        settings: How branches are drawn, cut, probed and read.
        report: Called as tokens are decoded.

    Raises:
        CollectError: The engine fails.
    """
    asked = settings.asked(question)
    # `collect` has checked that an engine for settings with probes can continue texts.
    prober = (
        _Prober(cast("Engine", engine), await cast("Engine", engine).prompt(asked), settings, report)
        if (settings.probes)
        else None
    )
    branches: dict[int, Branch] = {}

    async def finish(drawn: Sequence[tuple[int, Continuation]]) -> None:
        traces = [trace for _, trace in drawn]
        probes = await prober.probe(traces) if prober else [None] * len(traces)
        for (number, trace), own in zip(drawn, probes, strict=True):
            branches[number] = _branch(trace, own, settings)

    async with together() as group:
        drawing = engine.sample(asked, settings.branches, settings.sampling, derived_seed(settings.seed, question.text))
        async with aclosing(cast("Any", drawing)):
            async for drawn in drawing:
                report(sum(trace.count for _, trace in drawn))
                group.create_task(finish(drawn))
    return [branches[number] for number in range(settings.branches)]


@dataclass(frozen=True)
class Probe:
    """The result of a probe."""

    answer: str
    confidence: float | None
    """Mean log-probability of the answer's tokens; None where the engine did not give all of them."""
    tokens: int
    """Tokens decoded up to the place where the answer is closed."""
    prefill: int | None
    """Tokens of its prompt that were not in the engine's prefix cache; None where that is unknown."""


@dataclass(frozen=True)
class CutTrace:
    """The first tokens of a trace, and the text that makes it answer."""

    pieces: Prompt
    tokens: tuple[Token, ...]
    text: str
    thinks: bool
    """Whether the trace is a thinking one."""
    closing: str | None
    """None where the trace holds its whole answer, so that nothing is to be decoded."""


class _Prober:
    """Probes the traces of one question, each distinct prefix once."""

    def __init__(self, engine: Engine, prompt: Prompt, settings: CollectionSettings, report: Report) -> None:
        self._engine, self._prompt, self._settings, self._report = engine, prompt, settings, report
        self._reader = settings.reader
        self._closings: dict[str, Prompt] = {"": ()}
        self._asked: dict[Prompt, asyncio.Future[Continuation]] = {}
        """Replies by the text to continue, which cuts before and inside a closing share."""

    async def probe(self, traces: Sequence[Continuation]) -> list[list[Probe]]:
        """Return the probes of each trace, cut after cut."""
        cut_traces = [
            [self._cut(trace, length) for length in cuts(len(trace.pieces), self._settings.interval)]
            for trace in traces
        ]
        for closing in {cut.closing for row in cut_traces for cut in row if cut.closing}:
            if closing not in self._closings:
                self._closings[closing] = await self._engine.encode(closing)
        wanted = {self._key(cut): None for row in cut_traces for cut in row if cut.closing is not None}
        await self._ask([key for key in wanted if key not in self._asked])
        return [[await self._read(cut) for cut in row] for row in cut_traces]

    async def _ask(self, keys: Sequence[Prompt]) -> None:
        """Request the probes of prefixes."""
        loop = asyncio.get_running_loop()
        self._asked.update((key, loop.create_future()) for key in keys)
        for first in range(0, len(keys), PROBES_A_REQUEST):
            part = keys[first : first + PROBES_A_REQUEST]
            prompts = [(*self._prompt, *key) for key in part]
            # A failure leaves futures unset; it cancels all tasks of the question, those that wait with them.
            replies = await self._engine.answer(prompts, self._settings.probe_tokens, self._settings.probe_stop)
            self._report(sum(reply.count for reply in replies))
            for key, reply in zip(part, replies, strict=True):
                self._asked[key].set_result(reply)

    def _key(self, cut: CutTrace) -> Prompt:
        """Return the text or token ids that a cut trace continues."""
        pieces = (*cut.pieces, *self._closings[cut.closing or ""])
        # Equal texts are equal prompts, whatever their pieces.
        return pieces if all(isinstance(piece, int) for piece in pieces) else ("".join(map(str, pieces)),)

    def _cut(self, trace: Continuation, length: int) -> CutTrace:
        """Return the first `length` tokens of a trace as a cut trace."""
        tokens = trace.tokens[:length]
        text = trace.written[: tokens[-1].end]
        thinks = self._reader.thinks(trace.written, trace.finish_reason)
        return CutTrace(trace.pieces[:length], tokens, text, thinks, self._reader.closing_of(text, thinks))

    async def _read(self, cut: CutTrace) -> Probe:
        """Return the probe of a cut trace."""
        reply = None if cut.closing is None else await self._asked[self._key(cut)]
        return read_cut(self._reader, cut, reply)


def read_cut(reader: Reader, cut: CutTrace, reply: Continuation | None) -> Probe:
    """Return the answer of a cut trace, after its continuation.

    Args:
        reader: Reads answers.
        cut: The cut trace.
        reply: Its continuation; None if it needed none.
    """
    before = cut.text + (cut.closing or "")
    tokens = shifted(reply.tokens, len(before)) if reply else []
    text = before + (reply.text if reply else "")
    # The stop text that ended the probe closes the answer; it is decoded, but not a part of the text.
    written = before + (reply.written if reply else "")
    prefill = reply.prefill if reply else 0
    found = reader.find(text, cut.thinks)
    if found is None:
        return Probe(NO_ANSWER, mean_logprob(tokens, 0, 0), len(tokens), prefill)
    # After a cut inside the answer, the trace holds one part of it and the probe the other: both count.
    confidence = mean_logprob([*cut.tokens, *tokens], found.start, found.end)
    end = reader.end_of_answer(written, cut.thinks)
    # A live probe stops where the answer is closed; tokens after that place are not charged.
    cost = len(tokens) if end is None else sum(token.start <= end for token in tokens)
    return Probe(found.answer, confidence, cost, prefill)


def _branch(trace: Continuation, probes: Sequence[Probe] | None, settings: CollectionSettings) -> Branch:
    """Return the branch of a trace and its probes."""
    reader = settings.reader
    found = reader.find(trace.text, reader.thinks(trace.written, trace.finish_reason))
    prefill = [probe.prefill for probe in probes or () if probe.prefill is not None]
    if probes is None:
        # The intervals are there, and none has an answer (`Grid.probed`).
        answers = [NO_ANSWER] * recorded_intervals(trace.count, settings.interval)
    else:
        answers = [probe.answer for probe in probes]
    sure = mean_confidences(trace.tokens, settings.interval) if trace.tokens and settings.probes else []
    return Branch(
        tokens=trace.count,
        final_answer=found.answer if found else NO_ANSWER,
        finish_reason=trace.finish_reason,
        probe_answers=answers,
        probe_confidences=None if probes is None else [probe.confidence for probe in probes],
        probe_tokens=None if probes is None else [probe.tokens for probe in probes],
        text=trace.text if settings.keep_text else None,
        probe_prefill=None if probes is None or len(prefill) < len(probes) else prefill,
        signals={CONFIDENCE_SIGNAL: sure} if any(value is not None for value in sure) else None,
    )


def derived_seed(*parts: object) -> int:
    """Return a seed of 31 bits that depends on all `parts` and on nothing else.

    A question's seed is derived from the collection's seed and its text, so it does not depend on which other questions
    are collected, or in what order.
    """
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
