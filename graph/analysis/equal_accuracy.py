"""Width at which self-consistency is as accurate as a controller at one β, measured by replay on a grid.

Self-consistency's accuracy is read between the widths of its sweep as `graph.analysis.saving` reads it: linear in log
tokens between its frontier points. Its tokens there over those of one branch read whole are the width.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from envdata.episode_state import Bools
from envdata.episodes import Terms
from envdata.intervals import Floats, Interval, bounded, percentiles, question_weights
from graph.analysis.curves import Curve, Questions, questions_of
from graph.analysis.objective import REFERENCE
from graph.analysis.saving import ROUNDING, WeightedSweep
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.evaluation_cache import baselines_cache
from sandbox.replay_player import EvaluationSettings

BETAS = tuple(sixth / 6 for sixth in range(7))
"""β of self-consistency: 1, 2, 4, … 64 branches."""
REPEATS = 20
"""Branch orders."""


class NoEqualAccuracy(ValueError):
    """The grid does not tell at which width self-consistency is as accurate; the message gives the reason."""


@dataclass(frozen=True)
class EqualAccuracy:
    """Self-consistency that is as accurate as a controller, with 95 % intervals over the grid's questions."""

    branches: Interval
    """Its width; the widest one of its sweep where `reached` is false."""
    accuracy: Interval
    """The controller's accuracy, as a fraction."""
    reached: bool
    """Whether self-consistency is as accurate with any width of its sweep."""
    questions: int
    repeats: int


def equal_accuracy(candidate: Candidate, beta: float, grid: str, terms: Terms, *, sandbox: str) -> EqualAccuracy:
    """Return the width at which self-consistency is as accurate as a controller; no model is called.

    Args:
        candidate: The controller.
        beta: Its β.
        grid: Path or name of the grid.
        terms: Terms of the episodes, of both.
        sandbox: Name of an isolation backend, or `auto`.

    Raises:
        NoEqualAccuracy: An episode of the controller failed on the grid, or self-consistency fails at every width.
    """
    own = dataclasses.replace(candidate, label="the controller")
    plans = [
        Plan(own, (grid,), (beta,), REPEATS, cache=baselines_cache() if candidate.shipped else None),
        Plan(Candidate.parse(REFERENCE), (grid,), BETAS, REPEATS, cache=baselines_cache()),
    ]
    with Evaluator(EvaluationSettings(terms=terms), sandbox=sandbox) as evaluator:
        episodes = evaluator.evaluate(plans).episodes
    questions = questions_of([grid])
    curve = Curve.from_episodes(episodes, own.label, [grid])
    if curve.failures:
        raise NoEqualAccuracy(f"episodes of the controller fail on {grid} ({curve.why})")
    reference = Curve.sound_part(episodes, REFERENCE, [grid])
    if reference is None:
        raise NoEqualAccuracy(f"self-consistency fails on {grid} at every width; a larger --budget may help")
    accuracy = curve.accuracies(questions, 0)
    (right,) = accuracy.values
    (value,), (reached,) = _widths(reference, questions, right, np.full((1, len(right)), 1 / len(right)))
    width = Interval(float(value), None, None)
    if len(right) > 1:
        (weights,) = question_weights([len(right)])
        width = percentiles(float(value), _widths(reference, questions, right, weights)[0])
    return EqualAccuracy(width, bounded(accuracy), bool(reached), len(right), REPEATS)


def _widths(reference: Curve, questions: Questions, right: Floats, weights: Floats) -> tuple[Floats, Bools]:
    """Return the width (D,) for D sets of weights of the questions (D, Q), and whether the accuracy is reached (D,)."""
    sweep = WeightedSweep.of(reference, questions, [weights])
    most = sweep.accuracy.max(axis=1)
    wanted = weights @ right
    widths: Floats = sweep.tokens_to_reach(np.minimum(wanted, most)) / sweep.tokens[:, 0]
    return widths, wanted <= most + ROUNDING
