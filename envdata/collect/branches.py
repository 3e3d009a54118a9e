"""One question's traces, cut and probed: the rows of a grid that belong to it.

A trace is probed as soon as it has ended, while others of its question are still being written: what it has left in the
engine's prefix cache is then still there, whatever the number and the length of the others.

Probes are greedy, so equal prefixes have equal probes. Branches of one question often begin alike; each distinct
prefix is probed once, and every branch that has it is charged what the probe cost, as it would be had it been alone.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from envdata.collect.cutting import cuts
from envdata.collect.engine import CollectError, Decoded, Engine, Prompt, Sampler
from envdata.collect.extraction import NO_ANSWER, Token, mean_logprob, shifted
from envdata.collect.questions import Question
from envdata.collect.reading import Reader
from envdata.collect.settings import Settings

PROBES_A_REQUEST = 256

Report = Callable[[int], None]
"""Is told how many tokens were decoded."""


@dataclass(frozen=True)
class Branch:
    """One collected branch; fields as in `envdata.grid.BranchRow`."""

    tokens: int
    final_answer: str
    finish_reason: str | None
    probe_answers: list[str]
    probe_confidences: list[float] | None
    """None, like the costs, in a collection without probes."""
    probe_tokens: list[int] | None
    text: str | None


async def collect_question(engine: Sampler, question: Question, settings: Settings, report: Report) -> list[Branch]:
    """Draw, cut and probe the branches of one question; raises `envdata.collect.engine.CollectError`.

    With probes, `engine` must be an `envdata.collect.engine.Engine`.
    """
    asked = settings.asked(question)
    # `collect` has made sure of it: only an engine that can continue is given settings with probes.
    prober = (
        _Prober(cast("Engine", engine), await cast("Engine", engine).prompt(asked), settings, report)
        if (settings.probes)
        else None
    )
    branches: dict[int, Branch] = {}

    async def finish(drawn: Sequence[tuple[int, Decoded]]) -> None:
        traces = [trace for _, trace in drawn]
        probes = await prober.probe(traces) if prober else [None] * len(traces)
        for (number, trace), own in zip(drawn, probes, strict=True):
            branches[number] = _branch(trace, own, settings)

    async with together() as group:
        drawing = engine.sample(asked, settings.branches, settings.sampling, _seed(settings.seed, question))
        async with aclosing(cast("Any", drawing)):
            async for drawn in drawing:
                report(sum(trace.count for _, trace in drawn))
                group.create_task(finish(drawn))
    return [branches[number] for number in range(settings.branches)]


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that fails with one `CollectError` where its tasks failed with several.

    All of them meet the same dead server or full disk; one of their errors says it.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failed:
        error: BaseException | None = failed.subgroup(CollectError)
        if error is None:
            raise
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


@dataclass(frozen=True)
class Probe:
    """What a probe found."""

    answer: str
    confidence: float
    """Mean log-probability of the answer's tokens."""
    tokens: int
    """Decoded, up to where the answer is closed."""


@dataclass(frozen=True)
class Cut:
    """A trace's first tokens, and the text they have to be continued with."""

    pieces: Prompt
    tokens: tuple[Token, ...]
    text: str
    thinks: bool
    closing: str | None
    """None where the trace has written its whole answer: there is nothing left to ask."""


class _Prober:
    """Probes the traces of one question, each distinct prefix once."""

    def __init__(self, engine: Engine, prompt: Prompt, settings: Settings, report: Report) -> None:
        self._engine, self._prompt, self._settings, self._report = engine, prompt, settings, report
        self._reader = settings.reader
        self._closings: dict[str, Prompt] = {"": ()}
        self._asked: dict[Prompt, asyncio.Future[Decoded]] = {}
        """By what the model is to continue: cuts before and inside a closing come to the same there."""

    async def probe(self, traces: Sequence[Decoded]) -> list[list[Probe]]:
        """Give the probes of each trace, cut after cut."""
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
        loop = asyncio.get_running_loop()
        self._asked.update((key, loop.create_future()) for key in keys)
        for first in range(0, len(keys), PROBES_A_REQUEST):
            part = keys[first : first + PROBES_A_REQUEST]
            prompts = [(*self._prompt, *key) for key in part]
            # A failure leaves the futures of others waiting; it ends the whole question, and those that wait with it.
            replies = await self._engine.answer(prompts, self._settings.probe_tokens, self._settings.probe_stop)
            self._report(sum(reply.count for reply in replies))
            for key, reply in zip(part, replies, strict=True):
                self._asked[key].set_result(reply)

    def _key(self, cut: Cut) -> Prompt:
        pieces = (*cut.pieces, *self._closings[cut.closing or ""])
        # One text is one prompt, however it is cut into pieces.
        return pieces if all(isinstance(piece, int) for piece in pieces) else ("".join(map(str, pieces)),)

    def _cut(self, trace: Decoded, length: int) -> Cut:
        tokens = trace.tokens[:length]
        text = trace.written[: tokens[-1].end]
        thinks = self._reader.thinks(trace.written, trace.finish_reason)
        return Cut(trace.pieces[:length], tokens, text, thinks, self._reader.closing_of(text, thinks))

    async def _read(self, cut: Cut) -> Probe:
        reply = None if cut.closing is None else await self._asked[self._key(cut)]
        return read_cut(self._reader, cut, reply)


def read_cut(reader: Reader, cut: Cut, reply: Decoded | None) -> Probe:
    """Read the answer of a cut trace once it was continued, or as it stands if it needed no more."""
    before = cut.text + (cut.closing or "")
    decoded = shifted(reply.tokens, len(before)) if reply else []
    text = before + (reply.text if reply else "")
    # The stop string that ended the probe is what closes an answer; it is decoded, but no part of the text.
    written = before + (reply.written if reply else "")
    found = reader.find(text, cut.thinks)
    if found is None:
        return Probe(NO_ANSWER, mean_logprob(decoded, 0, 0), len(decoded))
    # A cut inside the written answer leaves a part of it to the trace and a part to the probe: both count.
    confidence = mean_logprob([*cut.tokens, *decoded], found.start, found.end)
    end = reader.end_of_answer(written, cut.thinks)
    # Whoever probes live stops where the answer is closed; what the model wrote after that costs nothing.
    cost = len(decoded) if end is None else sum(token.start <= end for token in decoded)
    return Probe(found.answer, confidence, cost)


def _branch(trace: Decoded, probes: Sequence[Probe] | None, settings: Settings) -> Branch:
    reader = settings.reader
    found = reader.find(trace.text, reader.thinks(trace.written, trace.finish_reason))
    return Branch(
        tokens=trace.count,
        final_answer=found.answer if found else NO_ANSWER,
        finish_reason=trace.finish_reason,
        probe_answers=[probe.answer for probe in probes or ()],
        probe_confidences=None if probes is None else [probe.confidence for probe in probes],
        probe_tokens=None if probes is None else [probe.tokens for probe in probes],
        text=trace.text if settings.keep_text else None,
    )


def _seed(seed: int, question: Question) -> int:
    """Give the question's own seed: it does not depend on which other questions are collected, or in what order."""
    digest = hashlib.sha256(f"{seed} {question.text}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
