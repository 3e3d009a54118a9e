"""Where a candidate loses against the best baseline, question by question, at a price that both ask."""

from collections.abc import Sequence
from dataclasses import dataclass

from graph.curves import Curve

SHOWN = 6


@dataclass(frozen=True)
class Lost:
    """A question that the baseline answers rightly more often."""

    question: str
    """As grid/question, both from 0."""
    accuracy: float
    baseline_accuracy: float
    """Over the repeats, as fractions."""
    tokens: float
    baseline_tokens: float


@dataclass(frozen=True)
class Against:
    """One point of a candidate beside the baseline's best point that costs no more."""

    beta: float | None
    baseline: str
    baseline_beta: float | None
    tokens: float
    baseline_tokens: float
    better: int
    """Questions that the candidate answers rightly more often."""
    worse: int
    lost: Sequence[Lost]
    """Those of the worse with the largest difference."""


def against(curve: Curve, baseline: Curve, betas: Sequence[float]) -> list[Against]:
    """The points at `betas` (all of them for a candidate that ignores β), each against what its price buys there.

    Where every point of the baseline is dearer, its cheapest one stands against the candidate's.
    """
    found = []
    theirs = baseline.tokens
    for point, beta in enumerate(curve.betas):
        if beta is not None and beta not in betas:
            continue
        own = float(curve.tokens[point])
        affordable = [i for i in range(len(theirs)) if theirs[i] <= own]
        other = max(affordable, key=lambda i: (baseline.accuracy[i], -theirs[i]), default=int(theirs.argmin()))
        better = worse = 0
        lost = []
        for grid, (mine, best) in enumerate(zip(curve.correct, baseline.correct, strict=True)):
            difference = mine[point] - best[other]
            better += int((difference > 0).sum())
            worse += int((difference < 0).sum())
            lost += [
                Lost(
                    f"{grid}/{question}",
                    float(mine[point, question]),
                    float(best[other, question]),
                    float(curve.tokens_by_question[grid][point, question]),
                    float(baseline.tokens_by_question[grid][other, question]),
                )
                for question in (difference < 0).nonzero()[0].tolist()
            ]
        lost.sort(key=lambda each: each.accuracy - each.baseline_accuracy)
        found.append(
            Against(beta, baseline.label, baseline.betas[other], own, float(theirs[other]), better, worse, lost[:SHOWN])
        )
    return found
