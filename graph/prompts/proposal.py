"""The prompt that asks for candidates.

What goes first when it does not fit, in this order. The task, the API with its example and what is wanted never go.

1. sources of earlier candidates, the worst first, all but the best;
2. measurements of earlier rounds, the oldest first; then their failure evidence; then the last round's measurements;
3. lines on candidates without a score, the oldest first;
4. what the critic said of earlier rounds but the last, the oldest first;
5. lines on candidates with a score, the oldest first; then the frontier;
6. the best candidate's source; the last round's failure evidence; what the critic said of it;
7. sources of the proposals that have to be mended, then their errors.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum, auto

from graph.explorers.base import Brief, Lesson, Tried
from graph.objective import Objective
from graph.prompts.foreign import fenced, in_quotes, prose, quoted
from graph.prompts.prompt import Part, Prompt, assemble, joined
from graph.prompts.templates import fill

SHOWN = 3
"""Sources of the best candidates so far that a brief shows, besides the last round's finalists."""
IDEA = 400
"""Characters of a candidate's idea."""


class Worth(IntEnum):
    """What is cut first has the lowest."""

    SOURCE = auto()
    OLD_MEASURES = auto()
    OLD_FAILURES = auto()
    MEASURES = auto()
    UNSCORED = auto()
    OLD_CRITIQUE = auto()
    SCORED = auto()
    FRONTIER = auto()
    BEST_SOURCE = auto()
    FAILURES = auto()
    CRITIQUE = auto()
    REJECTED_SOURCE = auto()
    REJECTED = auto()


def proposal_prompt(brief: Brief, *, limit: int) -> Prompt:
    """What asks for `brief.wanted` candidates, within `limit` tokens. Raises PromptTooLong."""
    return assemble(fill("system.md"), _task(brief), list(_parts(brief)), limit)


def told(brief: Brief) -> str:
    """Everything that a brief tells of the rounds before, without a limit; Markdown, empty where it tells nothing."""
    parts = [part for part in _parts(brief) if part.worth is not None and part.text]
    return joined(parts) + "\n" if parts else ""


def example(*, free_knobs: bool = False) -> str:
    """The worked example's source, which runs."""
    return fill("example.py.jinja", free_knobs=free_knobs) + "\n"


def objective_in_words(objective: str, low: float, high: float) -> str:
    """What the objective is, for a reader who knows the loop only from the prompt."""
    asked = Objective.parse(objective)
    if asked.kind == "accuracy":
        return f"the best accuracy that the candidate reaches for at most {asked.number:,.0f} tokens."
    if asked.kind == "gamma":
        return f"the largest of accuracy − {asked.number:g} · tokens over the candidate's points."
    return (
        f"the area under accuracy against log tokens between {low:,.0f} and {high:,.0f} tokens, divided by the width. "
        "At a number of tokens the candidate's best accuracy for no more counts; before its first point it is 0."
    )


def _task(brief: Brief) -> str:
    return fill(
        "task.md",
        intervals=" or ".join(str(interval) for interval in sorted(set(brief.intervals))) or "a fixed number of",
        terms=brief.terms,
        confidences=brief.confidences,
        free_knobs=brief.free_knobs,
        betas=", ".join(f"{beta:g}" for beta in brief.betas),
        objective=objective_in_words(brief.objective, brief.low, brief.high),
        baselines=[(name, f"{100 * score:.2f}") for name, score in sorted(brief.baselines.items(), key=_by_score)],
        example=example(free_knobs=brief.free_knobs),
    )


def _by_score(entry: tuple[str, float]) -> float:
    return -entry[1]


def _parts(brief: Brief) -> Iterator[Part]:
    if brief.frontier:
        table = fill("frontier.md", points=brief.frontier, free_knobs=brief.free_knobs, scale="cheapest first")
        yield Part("the frontier", table, (Worth.FRONTIER,))
    yield from _tried(brief.history)
    yield from _sources(brief)
    last = max((lesson.round for lesson in brief.lessons), default=0)
    for lesson in brief.lessons:
        yield from _lesson(lesson, is_last=lesson.round == last)
    for number, rejected in enumerate(brief.rejected, 1):
        heading, name = "# To be mended", f"proposal {number}"
        text = fill("rejected.md", number=name.capitalize(), rejected=rejected, why=quoted(rejected.why))
        yield Part(f"the error of {name}", text, (Worth.REJECTED, number), heading)
        yield Part(f"the source of {name}", fenced(rejected.source), (Worth.REJECTED_SOURCE, number), heading)
    closing = fill(
        "closing.md",
        rejected=len(brief.rejected),
        attempt=brief.attempt,
        first=not (brief.history or brief.lessons),
        feedback=brief.feedback,
        seed=brief.seed,
        directions=any(lesson.directions for lesson in brief.lessons),
        round=brief.round,
        rounds=brief.rounds,
        wanted=brief.wanted,
    )
    yield Part("what is wanted", closing)


def _tried(history: Sequence[Tried]) -> Iterator[Part]:
    for place, tried in enumerate(history):
        worth = Worth.SCORED if tried.score is not None else Worth.UNSCORED
        text = fill("tried.md", tried=tried, **words(tried))
        yield Part(f"what {tried.label} reached", text, (worth, place), "# What was tried")


def words(tried: Tried) -> dict[str, str]:
    """What a candidate's author, and its error, say; empty where they say nothing."""
    return {"why": in_quotes(tried.why or ""), "idea": in_quotes(tried.idea, IDEA) if tried.idea.strip() else ""}


def _sources(brief: Brief) -> Iterator[Part]:
    ranked = sorted((t for t in brief.history if t.score is not None), key=lambda t: -(t.score or 0.0))
    latest = max((tried.round for tried in brief.history), default=0)
    shown = [tried for place, tried in enumerate(ranked) if place < SHOWN or tried.round == latest]
    for place, tried in enumerate(shown):
        worth = (Worth.BEST_SOURCE,) if place == 0 else (Worth.SOURCE, -place)
        text = fill("source.md", tried=tried, points=tried.points, code=fenced(tried.source))
        yield Part(f"the source of {tried.label}", text, worth, "# The best so far, and the latest")


def _lesson(lesson: Lesson, *, is_last: bool) -> Iterator[Part]:
    heading, of = f"# What was learnt in round {lesson.round}", f"of round {lesson.round}"
    said = [prose(lesson.diagnosis)] if lesson.diagnosis else []
    said += [prose("\n".join(f"- {each}" for each in lesson.directions))] if lesson.directions else []
    worth = (Worth.CRITIQUE,) if is_last else (Worth.OLD_CRITIQUE, lesson.round)
    yield Part(f"the critique {of}", "\n\n".join(said), worth, heading)
    worth = (Worth.MEASURES,) if is_last else (Worth.OLD_MEASURES, lesson.round)
    yield Part(f"the measurements {of}", lesson.measured, worth, heading)
    worth = (Worth.FAILURES,) if is_last else (Worth.OLD_FAILURES, lesson.round)
    yield Part(f"the failures {of}", lesson.failures, worth, heading)
