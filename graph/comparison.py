"""Two controllers on the same episodes: differences, with intervals over questions, and who is better how surely."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.scoring import Paired, areas, paired
from graph.curves import Curve, Questions


@dataclass(frozen=True)
class ComparedPoint:
    """Both controllers at one β, or at the one point of a controller that ignores β; means over grids."""

    beta_a: float | None
    beta_b: float | None
    accuracy: Paired
    """Fractions."""
    tokens: Paired
    """Its superiority is the probability that a is the cheaper one."""
    only_a: float
    """The share of episodes that a alone answers rightly."""
    only_b: float


@dataclass(frozen=True)
class Comparison:
    """What sets two controllers apart."""

    a: Curve
    b: Curve
    points: list[ComparedPoint]
    area: Paired | None
    """Of the whole sweeps over low … high; None where both have one point, or there is no range."""
    low: float
    high: float
    """Tokens."""


def compare(
    episodes: pa.Table, a: str, b: str, questions: Questions, token_range: tuple[float, float] | None = None
) -> Comparison:
    """Compare the controllers that `episodes` (`sandbox.results.EPISODES`) labels `a` and `b`.

    Points are paired by β; a controller that ignores β is paired with every point of the other. `token_range` is that
    of the area, by default from the cheapest to the dearest point of both. Raises KeyError for a label without
    episodes, ValueError for a range that does not rise.
    """
    curve_a, curve_b = (Curve.from_episodes(episodes, label, questions.grids) for label in (a, b))
    (tokens_a, accuracy_a), (tokens_b, accuracy_b) = curve_a.resampled(questions), curve_b.resampled(questions)
    points = []
    for i, j in _pairs(curve_a, curve_b):
        only_a, only_b = _alone(episodes, (a, curve_a.betas[i]), (b, curve_b.betas[j]))
        points.append(
            ComparedPoint(
                curve_a.betas[i],
                curve_b.betas[j],
                paired(float(curve_a.accuracy[i]), float(curve_b.accuracy[j]), accuracy_a[:, i], accuracy_b[:, j]),
                paired(
                    float(curve_a.tokens[i]), float(curve_b.tokens[j]), tokens_a[:, i], tokens_b[:, j],
                    lower_is_better=True,
                ),
                only_a,
                only_b,
            )
        )  # fmt: skip
    spent = np.concatenate([curve_a.tokens, curve_b.tokens])
    low, high = token_range or (float(spent.min()), float(spent.max()))
    swept = len(curve_a.betas) > 1 or len(curve_b.betas) > 1
    area = None
    if token_range is not None or (swept and 0 < low < high):
        value_a, value_b = (
            float(areas(curve.tokens[None], curve.accuracy[None], low, high)[0]) for curve in (curve_a, curve_b)
        )
        area = paired(value_a, value_b, areas(tokens_a, accuracy_a, low, high), areas(tokens_b, accuracy_b, low, high))
    return Comparison(curve_a, curve_b, points, area, low, high)


def _pairs(a: Curve, b: Curve) -> list[tuple[int, int]]:
    if len(a.betas) == 1 or len(b.betas) == 1:
        return [(i, j) for i in range(len(a.betas)) for j in range(len(b.betas))]
    return [(i, b.betas.index(beta)) for i, beta in enumerate(a.betas) if beta in b.betas]


def _alone(episodes: pa.Table, a: tuple[str, float | None], b: tuple[str, float | None]) -> tuple[float, float]:
    """The shares of episodes that one of two answers rightly and the other does not."""
    right_a, right_b = _right(episodes, *a), _right(episodes, *b)
    return float((right_a & ~right_b).mean()), float((right_b & ~right_a).mean())


def _right(episodes: pa.Table, label: str, beta: float | None) -> np.ndarray:
    """Whether each episode of a point is right, in the order of grids, repeats and questions, the same for all."""
    own = pc.equal(episodes.column("controller").cast(pa.string()), label)
    column = episodes.column("beta")
    at = pc.is_null(column) if beta is None else pc.fill_null(pc.equal(column, beta), False)
    right: np.ndarray = episodes.filter(pc.and_(own, at)).column("correct").to_numpy()
    return right
