"""Collection of a grid: several questions at once, each stored when it is finished, then one file."""

import asyncio
import datetime
import importlib.metadata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envdata.collect.canonical_answers import Speller, make_speller, spelt_branches, spelt_questions
from envdata.collect.collectors import Collector, LocalCollector
from envdata.collect.concurrency import together
from envdata.collect.engine import (
    CannotContinueError,
    CollectError,
    EngineFacts,
    QuestionFailedError,
    Sampler,
    UnknownPathError,
    Usage,
)
from envdata.collect.partial_results import STARTED, PartialResults, parts_folder
from envdata.collect.progress import CollectionProgress
from envdata.collect.questions import Question, fingerprint
from envdata.collect.settings import CollectionSettings
from envdata.collect.token_confidence import CONFIDENCE_SIGNAL
from envdata.grid import BranchRow, write_grid

FAILURES_IN_A_ROW = 3
"""Failed questions in a row that end a collection in which none has succeeded: some setting is wrong."""

MANY_FAILURES_IN_A_ROW = 20
"""Failed questions in a row that end any collection: the server is broken."""

SECONDS_BETWEEN_LOOKS = 1.0
"""Seconds between updates of the tokens of unfinished traces in the progress line."""


@dataclass(frozen=True)
class Provenance:
    """The model and the questions of a collection, for the grid's provenance."""

    model: str
    """The model's name on its server."""
    description: str
    """A description of the model, in words."""
    questions: str
    """The questions' source: the generator with its settings, or a file's name."""
    weights: dict[str, str]
    """SHA-256 of the weight files, in hexadecimal, by file name; empty if unknown."""


@dataclass(frozen=True)
class CollectionResult:
    """The result of a finished collection."""

    collected: int
    """Number of questions in the grid."""
    left_out: dict[str, str]
    """Questions that the engine failed, by their text, with the last error."""
    given_up: int
    """Number of answers that exceeded the limits on reading and are compared as text."""
    usage: Usage
    """Tokens that this call's requests read and wrote."""


async def collect(
    engine: Sampler,
    questions: Sequence[Question],
    settings: CollectionSettings,
    source: Provenance,
    out: Path,
    *,
    at_once: int = 2,
) -> CollectionResult:
    """Collect a grid, continuing where an earlier call ended. The engine is closed at the end.

    Args:
        engine: The engine.
        questions: The questions.
        settings: How branches are drawn, cut, probed and read.
        source: The model and the questions' source, for the provenance.
        out: The grid's file.
        at_once: The number of questions that are collected at the same time.

    Raises:
        CollectError: Collection cannot go on; finished questions are kept, and failed ones are asked again by the next
            call.
        QuestionError: A reference answer cannot be read.
    """
    return await collect_with(LocalCollector(engine), questions, settings, source, out, at_once=at_once)


async def collect_with(
    collector: Collector,
    questions: Sequence[Question],
    settings: CollectionSettings,
    source: Provenance,
    out: Path,
    *,
    at_once: int,
) -> CollectionResult:
    """Collect a grid with several equal engines, to the same file as `collect`; arguments and errors as there."""
    if out.exists() and not parts_folder(out).exists():
        raise CollectError(f"{out} is there already; delete it or choose another --out")
    with closing(make_speller(settings.answers)) as speller:
        spelt = spelt_questions(questions, speller)
        try:
            return await _collect(collector, spelt, settings, speller, source, out, at_once)
        finally:
            await collector.close()


async def _collect(
    collector: Collector,
    questions: Sequence[Question],
    settings: CollectionSettings,
    speller: Speller,
    source: Provenance,
    out: Path,
    at_once: int,
) -> CollectionResult:
    """Collect missing questions and write the grid."""
    try:
        facts = await collector.establish()
    except CannotContinueError as error:
        raise CannotContinueError(f"{error}, or collect final answers only with --no-probe") from None
    except UnknownPathError as error:
        if not settings.probes:
            raise
        raise UnknownPathError(
            f"{error}; where a server knows chats alone, collect final answers with --no-probe --chat"
        ) from None
    if settings.probes and facts.continues is None:
        raise CannotContinueError(f"{facts.name} gives final answers only; use --no-probe")
    parts = PartialResults(out, {**_plan(facts, questions, settings, source), "spelling": speller.facts()})
    try:
        left_out = await _collect_missing(collector, questions, settings, speller, parts, at_once)
        finished = sorted(parts.done())
        if not finished:
            raise CollectError(
                f"no question could be collected; the first failed with: {next(iter(left_out.values()))}"
            )
        provenance = {**parts.plan, "left_out": sorted(left_out)}
        # Kept by question: answers that exceed the limits are compared as text, so they decide which answers are equal.
        given_up = {str(place): parts.given_up(number) for place, number in enumerate(finished)}
        provenance["given_up"] = {place: answers for place, answers in given_up.items() if answers}
        provenance["prompts"] = _prompts([questions[number] for number in finished])
        try:
            write_grid(out, _rows(parts, questions, finished), settings.interval, provenance)
        except OSError as error:
            raise CollectError(
                f"{out} cannot be written ({error.strerror}); make room and run the same command again, "
                f"all questions are kept in {parts.folder}"
            ) from None
        if not left_out:
            parts.remove()
    finally:
        parts.close()
    return CollectionResult(len(finished), left_out, sum(map(len, given_up.values())), collector.usage)


async def _collect_missing(
    collector: Collector,
    questions: Sequence[Question],
    settings: CollectionSettings,
    speller: Speller,
    parts: PartialResults,
    at_once: int,
) -> dict[str, str]:
    """Collect the questions that are not finished; return the failed ones by their text, with the last error."""
    done = parts.done()
    waiting = iter([number for number in range(len(questions)) if number not in done])
    progress = CollectionProgress(len(questions), len(done))
    left_out: dict[str, str] = {}
    failures = 0

    async def work() -> None:
        nonlocal failures
        for number in waiting:
            try:
                branches = await collector.collect(questions[number], settings, progress.tokens)
                # In a thread, so that other questions go on while formulas are compared.
                gold = questions[number].answer
                branches, given_up = await asyncio.to_thread(spelt_branches, branches, gold, speller)
            except QuestionFailedError as error:
                left_out[questions[number].text] = str(error)
                failures += 1
                limit = MANY_FAILURES_IN_A_ROW if progress.finished else FAILURES_IN_A_ROW
                if failures >= limit:
                    raise CollectError(
                        f"{failures} questions failed one after the other, the last with: {error}"
                    ) from None
                progress.failed(questions[number].text, str(error))
                continue
            failures = 0
            parts.write(number, branches, given_up)
            progress.question()

    async def look() -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            progress.under_way(collector.usage.under_way)

    looking = asyncio.create_task(look())
    try:
        with progress:
            async with together() as group:
                for _ in range(at_once):
                    group.create_task(work())
    finally:
        looking.cancel()
        progress.summary()
    return left_out


def _rows(parts: PartialResults, questions: Sequence[Question], finished: Sequence[int]) -> Iterator[BranchRow]:
    """Yield the rows of all finished questions."""
    for question_id, number in enumerate(finished):
        question = questions[number]
        for position, branch in enumerate(parts.read(number)):
            yield BranchRow(
                question_id=question_id,
                question=question.text,
                gold_answer=question.answer,
                branch=position,
                **asdict(branch),
            )


def _plan(
    facts: EngineFacts, questions: Sequence[Question], settings: CollectionSettings, source: Provenance
) -> dict[str, Any]:
    """Return everything that decides the result, for the provenance."""
    return {
        "collector": f"autotts {importlib.metadata.version('autotts')}",
        "engine": asdict(facts),
        **asdict(source),
        "questions_sha256": fingerprint(questions),
        **asdict(settings),
        "signals": _signals(facts, settings),
        STARTED: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _signals(facts: EngineFacts, settings: CollectionSettings) -> dict[str, dict[str, int]]:
    """Return the signals that the engine gives, each with its settings."""
    top = min(facts.top_logprobs, settings.sampling.top_logprobs) if settings.probes else 0
    return {CONFIDENCE_SIGNAL: {"top_logprobs": top}} if top else {}


def _prompts(questions: Sequence[Question]) -> dict[str, str]:
    """Return the prompts by family, with `{question}` for the question; empty where they differ otherwise too."""
    templates = {question.prompt.replace(question.text, "{question}"): question.family for question in questions}
    if len(templates) > len(Counter(question.family for question in questions)):
        return {}
    return {family or "all": template for template, family in templates.items()}
