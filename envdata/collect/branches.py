"""One question's traces, cut and probed: the rows of a grid that belong to it.

Probes are greedy, so equal prefixes have equal probes. Branches of one question often begin alike; each distinct
prefix is probed once, and every branch that has it is charged what the probe cost, as it would be had it been alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from envdata.collect.cutting import closing_after, cuts
from envdata.collect.engine import Decoded, Engine
from envdata.collect.extraction import Token, mean_logprob, shifted
from envdata.collect.questions import Question
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
    probe_confidences: list[float]
    probe_tokens: list[int]
    text: str | None


@dataclass(frozen=True)
class _Probe:
    answer: str
    confidence: float
    tokens: int


@dataclass(frozen=True)
class _Cut:
    """A trace's first tokens, and the text they have to be continued with."""

    token_ids: tuple[int, ...]
    tokens: tuple[Token, ...]
    text: str
    closing: str


async def collect_question(engine: Engine, question: Question, settings: Settings, report: Report) -> list[Branch]:
    """Draw, cut and probe the branches of one question; raises `envdata.collect.engine.CollectError`."""
    prompt = await engine.encode(question.prompt, start=True)
    traces = await engine.sample(prompt, settings.branches, settings.sampling, _seed(settings.seed, question))
    report(sum(len(trace.token_ids) for trace in traces))
    cut_traces = [
        [_cut(trace, length, settings.closing) for length in cuts(len(trace.token_ids), settings.interval)]
        for trace in traces
    ]
    probes = await _probes(engine, prompt, [cut for row in cut_traces for cut in row], settings, report)
    return [
        _branch(trace, [probes[cut.token_ids] for cut in row], settings)
        for trace, row in zip(traces, cut_traces, strict=True)
    ]


async def _probes(
    engine: Engine, prompt: Sequence[int], cut_traces: Sequence[_Cut], settings: Settings, report: Report
) -> dict[tuple[int, ...], _Probe]:
    """Give the probe of each cut, by the cut's token ids."""
    closings = {text: await engine.encode(text, start=False) for text in {cut.closing for cut in cut_traces} if text}
    closings[""] = ()
    probes: dict[tuple[int, ...], _Probe] = {}
    # By what the model is to continue: cuts before and inside a closing come to the same there.
    ask: dict[tuple[int, ...], list[_Cut]] = {}
    for cut in dict.fromkeys(cut_traces):
        line = settings.answers.line(cut.text)
        if line is not None and line[2]:
            # The trace has written its answer and gone on to the next line: there is nothing left to ask.
            probes[cut.token_ids] = _read(cut, None, settings)
        else:
            ask.setdefault((*cut.token_ids, *closings[cut.closing]), []).append(cut)
    waiting = list(ask)
    for first in range(0, len(waiting), PROBES_A_REQUEST):
        part = waiting[first : first + PROBES_A_REQUEST]
        replies = await engine.answer([(*prompt, *ids) for ids in part], settings.probe_tokens, settings.probe_stop)
        report(sum(len(reply.token_ids) for reply in replies))
        for ids, reply in zip(part, replies, strict=True):
            probes.update((cut.token_ids, _read(cut, reply, settings)) for cut in ask[ids])
    return probes


def _cut(trace: Decoded, length: int, closing: str) -> _Cut:
    tokens = trace.tokens[:length]
    text = trace.written[: tokens[-1].end]
    return _Cut(trace.token_ids[:length], tokens, text, closing_after(text, closing))


def _read(cut: _Cut, reply: Decoded | None, settings: Settings) -> _Probe:
    """Read the answer of a cut trace that was continued with `reply`, or needed none."""
    before = cut.text + cut.closing
    decoded = shifted(reply.tokens, len(before)) if reply else []
    text = before + (reply.text if reply else "")
    found = settings.answers.find(text)
    if found:
        # A cut inside the written answer leaves a part of it to the trace and a part to the probe: both count.
        confidence = mean_logprob([*cut.tokens, *decoded], found.start, found.end)
    else:
        confidence = mean_logprob(decoded, 0, 0)
    return _Probe(settings.answers.answer(text), confidence, len(reply.token_ids) if reply else 0)


def _branch(trace: Decoded, probes: Sequence[_Probe], settings: Settings) -> Branch:
    return Branch(
        tokens=len(trace.token_ids),
        final_answer=settings.answers.answer(trace.text),
        finish_reason=trace.finish_reason,
        probe_answers=[probe.answer for probe in probes],
        probe_confidences=[probe.confidence for probe in probes],
        probe_tokens=[probe.tokens for probe in probes],
        text=trace.text if settings.keep_text else None,
    )


def _seed(seed: int, question: Question) -> int:
    """Give the question's own seed: it does not depend on which other questions are collected, or in what order."""
    digest = hashlib.sha256(f"{seed} {question.text}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
