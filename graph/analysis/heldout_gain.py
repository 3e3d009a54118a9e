"""Gain of one controller over self-consistency on grids that its author never saw, with its standard error."""

from collections.abc import Sequence
from dataclasses import dataclass

from envdata.intervals import Interval
from graph.analysis.curves import Curve, Questions, questions_of
from graph.analysis.evaluation import evaluate_candidates
from graph.analysis.headline import headline_sentence, terms_in_words
from graph.analysis.objective import REFERENCE, Objective, Scorer, range_of, reference_curve
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator

CONTROLLER = "submitted"
"""Name of the controller in tables and sentences."""


@dataclass(frozen=True)
class HeldoutGain:
    """Gain over self-consistency, as fractions; 0 for a controller that failed: users fall back on self-consistency."""

    status: str
    """`ok`, or the status of the controller's first failed episodes."""
    gain: Interval
    """The objective `gain` with its 95 % interval over questions."""
    standard_error: float
    """Standard error of the gain over questions; 0 for a controller that failed."""
    questions: int
    saving: Interval | None
    """Share of self-consistency's tokens that it saves at its accuracy; None for a controller that failed."""
    text: str
    """The result in a sentence, or why the controller failed."""


def heldout_gain(
    evaluator: Evaluator, source: str, grids: Sequence[str], betas: Sequence[float], repeats: int
) -> HeldoutGain:
    """Play a controller and self-consistency on the same episodes and return the gain.

    Args:
        evaluator: An open evaluator.
        source: Source of the controller.
        grids: Paths of the held-out grids.
        betas: Values of β.
        repeats: Number of branch orders.

    Raises:
        ObjectiveError: Self-consistency spans no range of tokens.
        GridError: A grid cannot be read.
        InfrastructureError: The host failed.
    """
    questions = questions_of(grids)
    candidates = [Candidate.parse(REFERENCE), Candidate(CONTROLLER, source)]
    result = evaluate_candidates(evaluator, candidates, grids, betas, repeats)
    curve = Curve.from_episodes(result.episodes, CONTROLLER, grids)
    count = _count(questions)
    if curve.failures:
        status = next(iter(curve.failures))
        return HeldoutGain(status, Interval(0.0, 0.0, 0.0), 0.0, count, None, f"{status}: {curve.why}")
    reference = reference_curve(Objective("gain"), result.episodes, grids)
    assert reference is not None  # noqa: S101 - `gain` compares
    scorer = Scorer(Objective("gain"), *range_of(reference), questions, reference)
    found = result.against_sc[CONTROLLER]
    text = headline_sentence(
        "the controller", curve, reference, questions, found, part="Held out",
        terms=terms_in_words(evaluator.settings.terms),
    )  # fmt: skip
    return HeldoutGain("ok", scorer.interval(curve), scorer.sample(curve).standard_error, count, found.saving, text)


def _count(questions: Questions) -> int:
    return sum(len(questions.ids[grids[0]]) for grids in questions.sets)
