"""Where on its sweep a candidate stands above or below everything before: by how much accuracy, and at which price."""

from collections.abc import Sequence
from dataclasses import dataclass

from envdata.intervals import Interval, difference
from graph.analysis.curves import Curve, Questions
from graph.analysis.measured_curve import MeasuredCurve


@dataclass(frozen=True)
class Standing:
    """One point of a candidate against the curves of the baselines and of all earlier candidates."""

    beta: float | None
    """None for a candidate that ignores β."""
    accuracy: float
    """As a fraction."""
    tokens: float
    """Mean tokens a question; costs where latency is charged."""
    rival: str | None
    """Controller whose curve is the most accurate one at the same tokens; None if nothing is as cheap."""
    ahead: Interval | None
    """Accuracy less the rival's there, paired."""
    cheapest: str | None
    """Controller whose curve reaches this accuracy for the fewest tokens; None if none reaches it."""
    cheapest_tokens: float | None
    """Those tokens."""


def standings(curve: Curve, before: Sequence[Curve], questions: Questions) -> list[Standing]:
    """Return where each point of a curve stands.

    `MeasuredCurve` tells how curves are read.

    Args:
        curve: The candidate.
        before: Curves over the same grids.
        questions: Questions of the grids.
    """
    kept = [MeasuredCurve.of(other) for other in before]
    found = []
    for point, beta in enumerate(curve.betas):
        accuracy, tokens = float(curve.accuracy[point]), float(curve.tokens[point])
        places = [(other, place) for other in kept if (place := other.at(tokens)) is not None]
        rival = max(places, key=lambda read: read[0].accuracy(read[1]), default=None)
        costs = {other.curve.label: other.tokens_for(accuracy) for other in kept}
        reached = {label: cost for label, cost in costs.items() if cost is not None}
        cheapest = min(reached, key=reached.__getitem__, default=None)
        ahead = None
        if rival is not None:
            ahead = difference(curve.accuracies(questions, point).minus(rival[0].accuracies(questions, rival[1])))
        found.append(
            Standing(
                beta,
                accuracy,
                tokens,
                None if rival is None else rival[0].curve.label,
                ahead,
                cheapest,
                None if cheapest is None else reached[cheapest],
            )
        )
    return found
