"""The prompt that asks for candidates.

Parts are dropped in this order until it fits. The task, the API with its example and the request are never dropped.

1. sources of earlier candidates, worst first, except the best one's and those that an assignment names;
2. measurements of earlier rounds, oldest first; then their failure digests; then the last round's measurements;
3. lines on candidates without a score, oldest first;
4. critiques of earlier rounds except the last, oldest first;
5. lines on candidates with a score, oldest first; then the frontier, the families, the sweeps by grid, the baselines'
   sweeps and the facts on the search grids;
6. sources of an assignment's parents and of the best candidate; the last round's failure digests; the page of what is
   known; the last round's critique;
7. sources of rejected proposals, then their errors.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum, auto

from envdata.collect.token_confidence import CONFIDENCE_SIGNAL
from envdata.grid_schema import PROBE_CONFIDENCE
from graph.analysis.markdown_table import short_tokens
from graph.analysis.objective import Objective
from graph.explorers.api_stub import api_stub
from graph.explorers.base import Brief, CandidateRecord, Lesson, Point
from graph.explorers.prompts.assignments import SHOWN, assignment_text, families_table, parents, shown_candidates
from graph.explorers.prompts.knowledge import knowledge_text
from graph.explorers.prompts.prompt import Part, Prompt, assemble, join_parts
from graph.explorers.prompts.sweeps import sweep_line, sweep_table
from graph.explorers.prompts.templates import fill
from sandbox.sanitize import fenced, in_quotes, prose, quoted

MOST_GRIDS = 6
"""Number of grids whose sweeps are shown."""
IDEA = 400
"""Characters of a candidate's idea, at most."""


class ProposalPriority(IntEnum):
    """Priority of a part; the lowest is dropped first."""

    SOURCE = auto()
    OLD_MEASURES = auto()
    OLD_FAILURES = auto()
    MEASURES = auto()
    UNSCORED = auto()
    OLD_CRITIQUE = auto()
    SCORED = auto()
    FRONTIER = auto()
    FAMILIES = auto()
    BY_GRID = auto()
    BASELINES = auto()
    FACTS = auto()
    BEST_SOURCE = auto()
    FAILURES = auto()
    KNOWLEDGE = auto()
    CRITIQUE = auto()
    REJECTED_SOURCE = auto()
    REJECTED = auto()


def proposal_prompt(brief: Brief, *, limit: int, files: bool = False) -> Prompt:
    """Return the prompt that asks for `brief.wanted` candidates.

    Args:
        brief: The brief.
        limit: Tokens of the prompt, at most.
        files: Whether the explorer submits files, so that the prompt asks for no reply.

    Raises:
        PromptTooLong: The parts that are never dropped exceed the limit.
    """
    return assemble(fill("system.md"), _task(brief, files=files), list(_parts(brief)), limit)


def digest_text(brief: Brief) -> str:
    """Return everything in a brief on earlier rounds as Markdown, without a limit on tokens; may be empty."""
    parts = [part for part in _earlier(brief) if part.text]
    return join_parts(parts) + "\n" if parts else ""


def example(*, free_knobs: bool = False) -> str:
    """Return the source of the worked example, a valid controller; with `free_knobs`, one without β."""
    return fill("example.py.jinja", free_knobs=free_knobs) + "\n"


def shown_sources(brief: Brief) -> dict[str, str]:
    """Return the controllers whose sources the prompt may show, by label, the likeliest parents of a change first."""
    named = parents(brief)
    shown = sorted(shown_candidates(brief), key=lambda tried: tried.label not in named)
    return {
        **{f"proposal {number}": rejected.source for number, rejected in enumerate(brief.rejected, 1)},
        **{tried.label: tried.source for tried in shown},
        **{reference.label: reference.source for reference in brief.references[:1]},
        "example": example(free_knobs=brief.free_knobs),
    }


def objective_in_words(objective: str, low: float, high: float, latency: float = 0.0) -> str:
    """Return a definition of an objective as text for the prompt.

    Args:
        objective: The objective, as `Objective.parse` takes it.
        low: Lower end of its range, in tokens.
        high: Upper end.
        latency: Share of sequential tokens in the cost.

    Raises:
        ObjectiveError: The objective cannot be parsed.
    """
    words = _objective_in_words(Objective.parse(objective), low, high)
    if not latency:
        return words
    return (
        f"{words} Here a token is a unit of cost: a question costs tokens^{1 - latency:g} · sequential^{latency:g}. "
        "Sequential tokens count latency: branches of one call run in parallel, the call takes as long as its longest, "
        "calls add up."
    )


def _objective_in_words(parsed: Objective, low: float, high: float) -> str:
    if parsed.kind == "accuracy":
        return f"the best accuracy that the candidate reaches for at most {parsed.number:,.0f} tokens."
    if parsed.kind == "gamma":
        return f"the largest of accuracy − {parsed.number:g} · tokens over the candidate's points."
    if parsed.kind == "gain":
        return (
            "the gain over self-consistency (sc): the mean, over log tokens from "
            f"{low:,.0f} (one branch read whole) to {high:,.0f} (the dearest point of sc), of how far the better of "
            "the two, candidate or sc, stands above sc in accuracy. Both are read linearly in log tokens between the "
            "points that no cheaper one is as accurate as, and stay after the last. A candidate that is dear where sc "
            "is cheap loses nothing by it, and one that is nowhere above sc has 0."
        )
    if parsed.kind == "saving":
        accuracy = f"{100 * parsed.number:g} % accuracy" if parsed.number else "the accuracy of its best point"
        return (
            f"the share of the tokens of self-consistency (sc) that the candidate saves at {accuracy}, in percent. "
            "Both are read linearly in log tokens between the points that no cheaper one is as accurate as; a "
            "candidate that does not reach it has 0."
        )
    return (
        f"the area under accuracy against log tokens between {low:,.0f} and {high:,.0f} tokens, divided by the width. "
        "Between its points accuracy is linear in log tokens, after the last it stays, before the first it is 0; where "
        "a dearer point is less accurate than a cheaper one, the two are averaged."
    )


SIGNAL_MEANINGS = {
    PROBE_CONFIDENCE: "mean log-probability of the answer's tokens, with each probe; the latest is `branch.confidence`",
    CONFIDENCE_SIGNAL: "mean over the interval's tokens of −mean log-probability of the most probable tokens at their "
    "places, larger where the model is surer, with each interval, probed or not",
}
"""What known signals are, in a sentence that follows their name; other signals come with each interval."""


def _task(brief: Brief, *, files: bool) -> str:
    return fill(
        "task.md",
        intervals=" or ".join(str(interval) for interval in sorted(set(brief.intervals))) or "a fixed number of",
        terms=brief.terms,
        signals=brief.signals,
        signal_meanings=SIGNAL_MEANINGS,
        free_knobs=brief.free_knobs,
        betas=", ".join(f"{beta:g}" for beta in brief.betas),
        objective=objective_in_words(brief.objective, brief.low, brief.high, brief.latency),
        baselines=ranked_scores(brief.baselines),
        api=api_stub(),
        example=example(free_knobs=brief.free_knobs),
        files=files,
    )


def ranked_scores(baselines: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return the baselines with their objective in points, as text, the best first."""
    ranked = sorted(baselines.items(), key=lambda entry: -entry[1])
    return [(name, f"{100 * score:.2f}") for name, score in ranked]


def _parts(brief: Brief) -> Iterator[Part]:
    yield Part("the facts on the grids", brief.facts.strip(), (ProposalPriority.FACTS,), "# The search grids")
    yield from _baselines(brief)
    yield from _earlier(brief)
    yield Part("the assignment", assignment_text(brief))
    yield Part("what is wanted", _closing(brief))


def _earlier(brief: Brief) -> Iterator[Part]:
    """Yield the parts on earlier rounds and proposals, which may all be dropped."""
    if brief.frontier:
        table = fill(
            "frontier.md", points=brief.frontier, free_knobs=brief.free_knobs, scale="cheapest first",
            short_tokens=short_tokens,
        )  # fmt: skip
        yield Part("the frontier", table, (ProposalPriority.FRONTIER,))
    yield Part("the families", families_table(brief), (ProposalPriority.FAMILIES,))
    by_grid = _by_grid([(tried.label, tried.by_grid) for tried in _ranked(brief)[:SHOWN]])
    yield Part("the sweeps by grid", by_grid, (ProposalPriority.BY_GRID,), "# The best on each grid")
    if brief.knowledge is not None and brief.knowledge.round:
        heading = f"# What is known from the rounds 1 to {brief.knowledge.round}"
        yield Part("what is known", knowledge_text(brief.knowledge), (ProposalPriority.KNOWLEDGE,), heading)
    yield from _tried([tried for tried in brief.history if tried.round > _left_out(brief)])
    yield from _sources(brief)
    last = max((lesson.round for lesson in brief.lessons), default=0)
    for lesson in _lessons(brief):
        yield from _lesson(lesson, is_last=lesson.round == last)
    for number, rejected in enumerate(brief.rejected, 1):
        heading, name = "# To be mended", f"proposal {number}"
        text = fill("rejected.md", number=name.capitalize(), rejected=rejected, why=quoted(rejected.why))
        yield Part(f"the error of {name}", text, (ProposalPriority.REJECTED, number), heading)
        yield Part(
            f"the source of {name}", fenced(rejected.source), (ProposalPriority.REJECTED_SOURCE, number), heading
        )


def _baselines(brief: Brief) -> Iterator[Part]:
    """Yield the ideas and sweeps of the baselines, the best one's on each grid, and its source."""
    heading, references = "# The baselines", brief.references
    if references:
        best = references[0]
        ideas = "\n".join(f"- **{each.label}**: {each.idea}" for each in references)
        tables = [sweep_table((each.label, each.sweep.points) for each in references)]
        tables += [_by_grid([(best.label, best.sweep.by_grid)])] if best.sweep.by_grid else []
        yield Part("the baselines", "\n\n".join([ideas, *tables]), (ProposalPriority.BASELINES,), heading)
        text = f"{best.label}:\n\n{fenced(best.source)}"
        yield Part(f"the source of {best.label}", text, (ProposalPriority.SOURCE, -len(brief.history)), heading)


def _by_grid(sweeps: Sequence[tuple[str, Sequence[Sequence[Point]]]]) -> str:
    """Return sweeps on each grid as a table; empty without any."""
    rows = [
        (f"{label}, grid {grid}", points) for label, each in sweeps for grid, points in enumerate(each[:MOST_GRIDS])
    ]
    return sweep_table(rows) if rows else ""


def _ranked(brief: Brief) -> list[CandidateRecord]:
    """Return the candidates with a score, the best first."""
    return sorted((t for t in brief.history if t.score is not None), key=lambda t: -(t.score or 0.0))


def _closing(brief: Brief) -> str:
    return fill(
        "closing.md",
        rejected=len(brief.rejected),
        attempt=brief.attempt,
        first=not (brief.history or brief.lessons),
        feedback=brief.feedback,
        seed=brief.seed,
        directions=any(lesson.directions for lesson in _lessons(brief)),
        round=brief.round,
        rounds=brief.rounds,
        wanted=brief.wanted,
        roles=bool(brief.roles),
    )


def _left_out(brief: Brief) -> int:
    """Return the last round that the page of what is known stands for, 0 for none.

    The latest round is always told itself: the directions that it gave are not tried yet.
    """
    consolidated = brief.knowledge.round if brief.knowledge is not None else 0
    return max(0, min(consolidated, max((lesson.round for lesson in brief.lessons), default=0) - 1))


def _lessons(brief: Brief) -> list[Lesson]:
    """Return the lessons of the rounds that are told themselves."""
    return [lesson for lesson in brief.lessons if lesson.round > _left_out(brief)]


def _tried(history: Sequence[CandidateRecord]) -> Iterator[Part]:
    for place, tried in enumerate(history):
        priority = ProposalPriority.SCORED if tried.score is not None else ProposalPriority.UNSCORED
        text = fill("tried.md", tried=tried, **words(tried))
        yield Part(f"what {tried.label} reached", text, (priority, place), "# What was tried")


def words(tried: CandidateRecord) -> dict[str, str]:
    """Return a candidate's error and idea, quoted, and its sweep, as `why`, `idea` and `sweep`; empty without one."""
    return {
        "why": in_quotes(tried.why or ""),
        "idea": in_quotes(tried.idea, IDEA) if tried.idea.strip() else "",
        "sweep": sweep_line(tried.points or tried.screened),
    }


def _sources(brief: Brief) -> Iterator[Part]:
    kept = parents(brief)
    for place, tried in enumerate(shown_candidates(brief)):
        keep = place == 0 or tried.label in kept
        priority = (ProposalPriority.BEST_SOURCE if keep else ProposalPriority.SOURCE, -place)
        text = fill("source.md", tried=tried, code=fenced(tried.source))
        yield Part(f"the source of {tried.label}", text, priority, "# The best so far, of each family, and the latest")


def _lesson(lesson: Lesson, *, is_last: bool) -> Iterator[Part]:
    heading, of = f"# What was learnt in round {lesson.round}", f"of round {lesson.round}"
    critique = [prose(lesson.diagnosis)] if lesson.diagnosis else []
    critique += [prose("\n".join(f"- {each}" for each in lesson.directions))] if lesson.directions else []
    priority = (ProposalPriority.CRITIQUE,) if is_last else (ProposalPriority.OLD_CRITIQUE, lesson.round)
    yield Part(f"the critique {of}", "\n\n".join(critique), priority, heading)
    priority = (ProposalPriority.MEASURES,) if is_last else (ProposalPriority.OLD_MEASURES, lesson.round)
    yield Part(f"the measurements {of}", lesson.measured, priority, heading)
    priority = (ProposalPriority.FAILURES,) if is_last else (ProposalPriority.OLD_FAILURES, lesson.round)
    yield Part(f"the failures {of}", lesson.failures, priority, heading)
