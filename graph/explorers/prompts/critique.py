"""The prompt that asks for a critique of a round.

Parts are dropped in this order until it fits: lessons of earlier rounds, oldest first; sources, worst first; lines on
candidates without a score; facts on the search grids; lines on candidates with a score; failure digests; the page of
what is known; measurements. The task and the format of the answer are never dropped.
"""

from collections.abc import Iterator
from enum import IntEnum, auto

from graph.explorers.base import Evidence, Knowledge
from graph.explorers.prompts.knowledge import knowledge_text
from graph.explorers.prompts.prompt import Part, Prompt, assemble
from graph.explorers.prompts.proposal import objective_in_words, ranked_scores, words
from graph.explorers.prompts.templates import fill
from sandbox.sanitize import fenced, prose


class CritiquePriority(IntEnum):
    """Priority of a part; the lowest is dropped first."""

    LESSON = auto()
    SOURCE = auto()
    UNSCORED = auto()
    FACTS = auto()
    SCORED = auto()
    FAILURES = auto()
    KNOWLEDGE = auto()
    MEASURES = auto()


def critique_prompt(evidence: Evidence, *, limit: int) -> Prompt:
    """Return the prompt that asks for a diagnosis and directions.

    Args:
        evidence: Evidence of the round.
        limit: Tokens of the prompt, at most.

    Raises:
        PromptTooLong: The parts that are never dropped exceed the limit.
    """
    stable = fill(
        "criticise.md",
        free_knobs=evidence.free_knobs,
        objective=objective_in_words(evidence.objective, evidence.low, evidence.high, evidence.latency),
        baselines=ranked_scores(evidence.baselines),
    )
    return assemble(fill("critic.md"), stable, list(_parts(evidence)), limit)


def _parts(evidence: Evidence) -> Iterator[Part]:
    yield Part("the facts on the grids", evidence.facts.strip(), (CritiquePriority.FACTS,), "# The search grids")
    knowledge = evidence.knowledge or Knowledge()
    if knowledge.round:
        heading = f"# What is known from the rounds 1 to {knowledge.round}"
        yield Part("what is known", knowledge_text(knowledge), (CritiquePriority.KNOWLEDGE,), heading)
    for lesson in (each for each in evidence.lessons if each.round > knowledge.round):
        advice = "\n".join(f"- {each}" for each in lesson.directions) or lesson.diagnosis
        yield Part(
            f"the critique of round {lesson.round}",
            prose(advice),
            (CritiquePriority.LESSON, lesson.round),
            f"# What you advised after round {lesson.round}",
        )
    for place, tried in enumerate(evidence.candidates):
        priority = CritiquePriority.SCORED if tried.score is not None else CritiquePriority.UNSCORED
        text = fill("tried.md", tried=tried, **words(tried))
        yield Part(f"what {tried.label} reached", text, (priority, place), "# The round's candidates")
    ranked = sorted((t for t in evidence.candidates if t.score is not None), key=lambda t: -(t.score or 0.0))
    for place, tried in enumerate(ranked):
        text = fill("source.md", tried=tried, code=fenced(tried.source))
        yield Part(
            f"the source of {tried.label}", text, (CritiquePriority.SOURCE, -place), "# Their sources, the best first"
        )
    yield Part("the measurements", evidence.measured, (CritiquePriority.MEASURES,), "# What was measured")
    yield Part("the failures", evidence.failures, (CritiquePriority.FAILURES,), "# Why episodes failed")
    yield Part("what is wanted", fill("judged.md", round=evidence.round, best=evidence.best))
