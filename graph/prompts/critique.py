"""The prompt that asks what a round's measurements mean.

What goes first when it does not fit: what was made of earlier rounds, the oldest first; sources, the worst first; lines
on candidates without a score; the other lines; the failure evidence; the measurements. What is judged and how to answer
never goes.
"""

from collections.abc import Iterator
from enum import IntEnum, auto

from graph.explorers.base import Evidence
from graph.prompts.foreign import fenced, prose
from graph.prompts.prompt import Part, Prompt, assemble
from graph.prompts.proposal import objective_in_words, words
from graph.prompts.templates import fill


class Worth(IntEnum):
    """What is cut first has the lowest."""

    LESSON = auto()
    SOURCE = auto()
    UNSCORED = auto()
    SCORED = auto()
    FAILURES = auto()
    MEASURES = auto()


def critique_prompt(evidence: Evidence, *, limit: int) -> Prompt:
    """What asks for a diagnosis and directions, within `limit` tokens. Raises PromptTooLong."""
    stable = fill(
        "criticise.md",
        free_knobs=evidence.free_knobs,
        objective=objective_in_words(evidence.objective, evidence.low, evidence.high),
        baselines=[
            (name, f"{100 * score:.2f}") for name, score in sorted(evidence.baselines.items(), key=lambda e: -e[1])
        ],
    )
    return assemble(fill("critic.md"), stable, list(_parts(evidence)), limit)


def _parts(evidence: Evidence) -> Iterator[Part]:
    for lesson in evidence.lessons:
        said = "\n".join(f"- {each}" for each in lesson.directions) or lesson.diagnosis
        yield Part(
            f"the critique of round {lesson.round}",
            prose(said),
            (Worth.LESSON, lesson.round),
            f"# What you advised after round {lesson.round}",
        )
    for place, tried in enumerate(evidence.tried):
        worth = Worth.SCORED if tried.score is not None else Worth.UNSCORED
        text = fill("tried.md", tried=tried, **words(tried))
        yield Part(f"what {tried.label} reached", text, (worth, place), "# The round's candidates")
    ranked = sorted((t for t in evidence.tried if t.score is not None), key=lambda t: -(t.score or 0.0))
    for place, tried in enumerate(ranked):
        text = fill("source.md", tried=tried, points=tried.points, code=fenced(tried.source))
        yield Part(f"the source of {tried.label}", text, (Worth.SOURCE, -place), "# Their sources, the best first")
    yield Part("the measurements", evidence.measured, (Worth.MEASURES,), "# What was measured")
    yield Part("the failures", evidence.failures, (Worth.FAILURES,), "# Why episodes failed")
    yield Part("what is wanted", fill("judged.md", round=evidence.round, best=evidence.best))
