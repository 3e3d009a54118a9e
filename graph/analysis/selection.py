"""Selection of a controller that holds elsewhere, and how much its selection flatters its score.

The best of many scores is too good by the luck that made it the best. Three figures show it, for each candidate alone
or for the selection as a whole:

- each grid alone: a controller that is best on average may be poor for one model;
- left-out questions: the questions are divided into `FOLDS` parts; for each, a candidate is selected by the others and
  scored on this one;
- left-out grids: a candidate is selected by all grids but one, and scored on that one.

Optimism is the score of the selected candidate less the score of those selected without the part that they are scored
on. A score is a mean of one value a question (`Scorer.sample`), whose choice of points leaves that question out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envdata.intervals import Interval, Sample, difference_unless_alike
from graph.analysis.curves import Curve
from graph.analysis.objective import Scorer

FOLDS = 5
"""Parts that the questions are divided into."""


@dataclass(frozen=True)
class Contender:
    """A candidate that may be selected."""

    label: str
    curve: Curve
    knobs: int
    """Number of knobs of its schedule."""
    size: int
    """Size of its source in bytes."""


@dataclass(frozen=True)
class LeftOut:
    """Score of a selection on parts that it was made without."""

    score: float
    """Mean over the questions, each scored with the candidate that was selected without it or its grid."""
    optimism: Interval
    """Score of the selected candidate less `score`, paired over questions."""
    selected: tuple[str, ...]
    """Labels of the candidates selected without each part."""


@dataclass(frozen=True)
class Selection:
    """The selected candidate, and how it was selected."""

    label: str
    top: str
    """Label of the candidate with the best score."""
    tied: tuple[str, ...]
    """Labels of the candidates whose difference from it lies within its interval, itself included."""
    by_grid: Mapping[str, tuple[float, ...]]
    """Objective on each grid alone, by label."""
    questions: LeftOut | None
    """None where a set has one question."""
    grids: LeftOut | None
    """None where there is one grid."""


def select(contenders: Sequence[Contender], scorer: Scorer) -> Selection:
    """Select among contenders the one that holds best elsewhere.

    Among those whose score does not differ significantly from the best one's, it is the one whose worst grid is best;
    among equals the one with fewer knobs, then the shorter one, then the earlier one.

    Args:
        contenders: Candidates without failures, in the order of proposal; at least one.
        scorer: The objective over the search set.
    """
    samples = [scorer.sample(each.curve) for each in contenders]
    places = range(len(scorer.questions.grids))
    on_grids = [[scorer.on_grid(place).sample(each.curve.on_grid(place)) for place in places] for each in contenders]
    by_grid = np.array([[sample.mean for sample in own] for own in on_grids])
    top = int(np.argmax([sample.mean for sample in samples]))
    ahead = [difference_unless_alike(samples[top].minus(sample)) for sample in samples]
    tied = [n for n, each in enumerate(ahead) if each.sign <= 0]

    def merit(n: int) -> tuple[float, int, int]:
        return float(by_grid[n].min()), -contenders[n].knobs, -contenders[n].size

    chosen = max(tied, key=merit)
    return Selection(
        label=contenders[chosen].label,
        top=contenders[top].label,
        tied=tuple(contenders[n].label for n in tied),
        by_grid={each.label: tuple(own.tolist()) for each, own in zip(contenders, by_grid, strict=True)},
        questions=_left_out_questions(contenders, samples, chosen),
        grids=_left_out_grids(contenders, scorer, on_grids, chosen),
    )


def _left_out_questions(contenders: Sequence[Contender], samples: Sequence[Sample], chosen: int) -> LeftOut | None:
    """Return the score of selections on the questions that each was made without; None for a single question."""
    shares = samples[chosen].shares
    folds = min(FOLDS, *(len(values) for values in samples[chosen].values))
    if folds < 2:
        return None
    left_out = [np.zeros_like(values) for values in samples[chosen].values]
    labels = []
    for fold in range(folds):
        parts = [np.arange(len(values)) % folds == fold for values in left_out]
        kept = [
            Sample(tuple(own[~part] for own, part in zip(sample.values, parts, strict=True)), shares).mean
            for sample in samples
        ]
        best = int(np.argmax(kept))
        labels.append(contenders[best].label)
        for scores, own, part in zip(left_out, samples[best].values, parts, strict=True):
            scores[part] = own[part]
    return _left_out(samples[chosen], Sample(tuple(left_out), shares), labels)


def _left_out_grids(
    contenders: Sequence[Contender], scorer: Scorer, on_grids: Sequence[Sequence[Sample]], chosen: int
) -> LeftOut | None:
    """Return the score of selections on the grid that each was made without; None for a single grid."""
    means = np.array([[sample.mean for sample in own] for own in on_grids])
    if means.shape[1] < 2:
        return None
    best = [int(np.argmax(np.delete(means, place, axis=1).mean(axis=1))) for place in range(means.shape[1])]

    def merged(numbers: Sequence[int]) -> Sample:
        own = [on_grids[number][place].values[0] for place, number in enumerate(numbers)]
        return Sample(scorer.questions.merge(own), scorer.questions.shares)

    return _left_out(merged([chosen] * len(best)), merged(best), [contenders[number].label for number in best])


def _left_out(own: Sample, left_out: Sample, labels: Sequence[str]) -> LeftOut:
    """Return the comparison of the selected candidate with those that were selected without each part."""
    optimism = own.minus(left_out)
    return LeftOut(left_out.mean, difference_unless_alike(optimism), tuple(labels))
