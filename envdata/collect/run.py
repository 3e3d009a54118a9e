"""From questions to a grid: several questions under way at once, each kept when it is finished, then one file."""

import asyncio
import datetime
import importlib.metadata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envdata.collect.branches import together
from envdata.collect.crew import Crew, OneEngine
from envdata.collect.engine import CannotContinueError, CollectError, EngineFacts, QuestionFailedError, Sampler, Usage
from envdata.collect.parts import STARTED, Parts, parts_folder
from envdata.collect.progress import Progress
from envdata.collect.questions import Question, fingerprint
from envdata.collect.settings import Settings
from envdata.collect.spelling import Speller, make_speller, spelt_branches, spelt_questions
from envdata.grid import BranchRow, write_grid

FAILURES_IN_A_ROW = 3
"""So many questions that fail one after the other, and none ever collected, are taken for a wrong setting."""

MANY_FAILURES_IN_A_ROW = 20
"""So many are taken for a broken server, whatever was collected before."""

SECONDS_BETWEEN_LOOKS = 1.0
"""At what the engines have written of unfinished traces, for the line of progress."""


@dataclass(frozen=True)
class Source:
    """Where a grid comes from, for its provenance."""

    model: str
    """The model's name on its server."""
    description: str
    """What the model is, in words."""
    questions: str
    """The questions' source: the generator with its settings, or a file's name."""
    weights: dict[str, str]
    """SHA-256 of the weight files, in hexadecimal, by file name; empty if unknown."""


@dataclass(frozen=True)
class Outcome:
    """What a finished collection came to."""

    collected: int
    """Questions in the grid."""
    left_out: dict[str, str]
    """Questions that the engine failed, by their text, with the last error."""
    given_up: int
    """Answers that took too long to be read as mathematics, and count as text."""
    usage: Usage
    """What this call's requests read and wrote, in tokens."""


async def collect(
    engine: Sampler, questions: Sequence[Question], settings: Settings, source: Source, out: Path, *, at_once: int = 2
) -> Outcome:
    """Collect a grid to `out`, going on from what an earlier call left; `at_once` questions are under way together.

    Raises CollectError; everything finished until then is kept. Questions that failed are asked again by the next call.
    Raises QuestionError for a reference answer that is none. The engine is closed at the end.
    """
    return await collect_with(OneEngine(engine), questions, settings, source, out, at_once=at_once)


async def collect_with(
    crew: Crew, questions: Sequence[Question], settings: Settings, source: Source, out: Path, *, at_once: int
) -> Outcome:
    """`collect` with several engines that are alike: the same file, sooner."""
    if out.exists() and not parts_folder(out).exists():
        raise CollectError(f"{out} is there already; delete it or choose another --out")
    with closing(make_speller(settings.answers)) as speller:
        spelt = spelt_questions(questions, speller)
        try:
            return await _collect(crew, spelt, settings, speller, source, out, at_once)
        finally:
            await crew.close()


async def _collect(
    crew: Crew,
    questions: Sequence[Question],
    settings: Settings,
    speller: Speller,
    source: Source,
    out: Path,
    at_once: int,
) -> Outcome:
    try:
        facts = await crew.establish()
    except CannotContinueError as error:
        raise CannotContinueError(f"{error}, or collect final answers only with --no-probe") from None
    if settings.probes and facts.continues is None:
        raise CannotContinueError(f"{facts.name} gives final answers only; use --no-probe")
    parts = Parts(out, {**_plan(facts, questions, settings, source), "spelling": speller.facts()})
    try:
        left_out = await _collect_missing(crew, questions, settings, speller, parts, at_once)
        finished = sorted(parts.done())
        if not finished:
            raise CollectError(
                f"no question could be collected; the first failed with: {next(iter(left_out.values()))}"
            )
        provenance = {**parts.plan, "left_out": sorted(left_out)}
        # By question in the grid: what a slower machine gives up decides which answers count together.
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
    return Outcome(len(finished), left_out, sum(map(len, given_up.values())), crew.usage)


async def _collect_missing(
    crew: Crew, questions: Sequence[Question], settings: Settings, speller: Speller, parts: Parts, at_once: int
) -> dict[str, str]:
    done = parts.done()
    waiting = iter([number for number in range(len(questions)) if number not in done])
    progress = Progress(len(questions), len(done))
    left_out: dict[str, str] = {}
    failures = 0

    async def work() -> None:
        nonlocal failures
        for number in waiting:
            try:
                branches = await crew.collect(questions[number], settings, progress.tokens)
                # In a thread: comparing formulas takes its time, and other questions go on meanwhile.
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
            progress.under_way(crew.usage.under_way)

    looking = asyncio.create_task(look())
    try:
        async with together() as group:
            for _ in range(at_once):
                group.create_task(work())
    finally:
        looking.cancel()
        progress.end()
    return left_out


def _rows(parts: Parts, questions: Sequence[Question], finished: Sequence[int]) -> Iterator[BranchRow]:
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


def _plan(facts: EngineFacts, questions: Sequence[Question], settings: Settings, source: Source) -> dict[str, Any]:
    return {
        "collector": f"autotts {importlib.metadata.version('autotts')}",
        "engine": asdict(facts),
        **asdict(source),
        "questions_sha256": fingerprint(questions),
        **asdict(settings),
        STARTED: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _prompts(questions: Sequence[Question]) -> dict[str, str]:
    """Give the prompts by family where they differ only in the question, which `{question}` stands for."""
    shapes = {question.prompt.replace(question.text, "{question}"): question.family for question in questions}
    if len(shapes) > len(Counter(question.family for question in questions)):
        return {}
    return {family or "all": shape for shape, family in shapes.items()}
