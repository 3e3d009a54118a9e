"""The prompt that asks for the consolidation of some rounds into what is known.

Parts are dropped in this order until it fits: measurements, oldest first; failure digests, oldest first; lines on
candidates without a score; critiques, oldest first; lines on candidates with a score. The task, the format of the
answer and the page so far are never dropped.
"""

from collections.abc import Iterator
from enum import IntEnum, auto

from graph.explorers.base import Findings
from graph.explorers.prompts.knowledge import knowledge_form, knowledge_text
from graph.explorers.prompts.prompt import Part, Prompt, assemble
from graph.explorers.prompts.proposal import objective_in_words, ranked_scores, words
from graph.explorers.prompts.templates import fill
from sandbox.sanitize import prose


class ConsolidationPriority(IntEnum):
    """Priority of a part; the lowest is dropped first."""

    MEASURES = auto()
    FAILURES = auto()
    UNSCORED = auto()
    CRITIQUE = auto()
    SCORED = auto()


def consolidation_prompt(findings: Findings, *, limit: int) -> Prompt:
    """Return the prompt that asks for the changes of the page.

    Args:
        findings: The rounds, and the page so far.
        limit: Tokens of the prompt, at most.

    Raises:
        PromptTooLong: The parts that are never dropped exceed the limit.
    """
    stable = fill(
        "consolidate.md",
        free_knobs=findings.free_knobs,
        objective=objective_in_words(findings.objective, findings.low, findings.high, findings.latency),
        baselines=ranked_scores(findings.baselines),
        form=knowledge_form(),
    )
    return assemble(fill("historian.md"), stable, list(_parts(findings)), limit)


def _parts(findings: Findings) -> Iterator[Part]:
    yield Part("the page so far", knowledge_text(findings.knowledge), heading="# The page so far")
    yield Part("the rounds in figures", findings.measured, heading="# All rounds in figures")
    for lesson in findings.lessons:
        heading, of = f"# Round {lesson.round}", f"of round {lesson.round}"
        for place, tried in enumerate(findings.candidates):
            if tried.round == lesson.round:
                scored = tried.score is not None
                priority = ConsolidationPriority.SCORED if scored else ConsolidationPriority.UNSCORED
                yield Part(
                    f"the results of {tried.label}", fill("tried.md", tried=tried, **words(tried)), (priority, place),
                    heading,
                )  # fmt: skip
        critique = [lesson.diagnosis, "\n".join(f"- {each}" for each in lesson.directions)]
        text = "\n\n".join(prose(each) for each in critique if each)
        yield Part(f"the critique {of}", text, (ConsolidationPriority.CRITIQUE, lesson.round), heading)
        yield Part(f"the measurements {of}", lesson.measured, (ConsolidationPriority.MEASURES, lesson.round), heading)
        yield Part(f"the failures {of}", lesson.failures, (ConsolidationPriority.FAILURES, lesson.round), heading)
    closing = fill(
        "consolidated.md",
        first=min((lesson.round for lesson in findings.lessons), default=findings.round),
        last=findings.round,
        statements=len(findings.knowledge.holding),
    )
    yield Part("what is wanted", closing)
