"""β sweeps as arrays: what a candidate reached on every question, ready for means and paired resampling.

Questions are the sample. Repeats are averaged first; a resample draws questions, the same ones for every candidate, so
that differences between candidates are paired. Grids that ask the same questions (one benchmark, several models) share
their draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from envdata.ledger import Floats
from envdata.scoring import Interval, interval, resampling_weights


@dataclass(frozen=True)
class Questions:
    """The questions of the grids that are scored together: which grids share them, and how many there are."""

    grids: tuple[str, ...]
    """Paths, as results name them."""
    texts: tuple[tuple[str, ...], ...]

    @cached_property
    def samples(self) -> tuple[int, ...]:
        """For each grid, which of the independent question sets it asks."""
        sets = list(dict.fromkeys(self.texts))
        return tuple(sets.index(texts) for texts in self.texts)

    def weights(self, grid: int) -> Floats:
        """What each resample weighs each question of a grid, shape (resamples, Q)."""
        return resampling_weights(len(self.texts[grid]), seed=self.samples[grid])


@dataclass(frozen=True)
class Curve:
    """One candidate's sweep: P points over G grids. Accuracies are fractions."""

    label: str
    betas: tuple[float | None, ...]
    """(P,); a single None for a candidate that ignores β."""
    correct: tuple[Floats, ...]
    """For each grid (P, Q): how often each question was answered rightly."""
    tokens_by_question: tuple[Floats, ...]
    """For each grid (P, Q): mean tokens."""
    failures: Mapping[str, int]
    """Episodes by status, `ok` left out."""
    why: str | None
    """What the first failed episode said."""

    @classmethod
    def from_episodes(cls, episodes: pa.Table, label: str, grids: Sequence[str]) -> "Curve":
        """The curve of one controller in a table of `sandbox.results.EPISODES`. Raises KeyError if it is not there."""
        own = episodes.filter(pc.equal(episodes.column("controller").cast(pa.string()), label))
        if not own.num_rows:
            raise KeyError(f"{label!r} has no episodes")
        betas = own.column("beta").unique().to_pylist()
        correct, tokens = [], []
        for grid in grids:
            rows = own.filter(pc.equal(own.column("grid").cast(pa.string()), grid))
            point = pc.index_in(rows.column("beta"), pa.array(betas, pa.float64())).to_numpy()
            question = rows.column("question").to_numpy()
            shape = (len(betas), int(question.max()) + 1)
            place = point.astype(np.int64) * shape[1] + question
            correct.append(_means(rows.column("correct").to_numpy(), place, shape))
            tokens.append(_means(rows.column("tokens").to_numpy(), place, shape))
        counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(own.column("status")).to_pylist()}
        failures = {status: counts[status] for status in sorted(counts) if status != "ok"}
        reasons = own.column("why").drop_null()
        why = reasons[0].as_py() if len(reasons) else None
        return cls(label, tuple(betas), tuple(correct), tuple(tokens), failures, why)

    @property
    def accuracy(self) -> Floats:
        """(P,): the mean over grids of the mean over questions."""
        return _over_grids([values.mean(axis=1) for values in self.correct])

    @property
    def tokens(self) -> Floats:
        """(P,): likewise."""
        return _over_grids([values.mean(axis=1) for values in self.tokens_by_question])

    def resampled(self, questions: Questions) -> tuple[Floats, Floats]:
        """Tokens and accuracy of every resample, both of shape (resamples, P)."""
        weights = [questions.weights(grid) for grid in range(len(self.correct))]
        tokens = [w @ values.T for w, values in zip(weights, self.tokens_by_question, strict=True)]
        correct = [w @ values.T for w, values in zip(weights, self.correct, strict=True)]
        return _over_grids(tokens), _over_grids(correct)

    def accuracy_intervals(self, questions: Questions) -> list[Interval]:
        """The accuracy of each point with its interval over questions."""
        _, accuracy = self.resampled(questions)
        return [interval(value, accuracy[:, point]) for point, value in enumerate(self.accuracy.tolist())]


def together(curves: Sequence[Curve], label: str = "") -> Curve:
    """All points of several curves over the same grids as one."""
    grids = range(len(curves[0].correct))
    return Curve(
        label,
        tuple(beta for curve in curves for beta in curve.betas),
        tuple(np.concatenate([curve.correct[grid] for curve in curves]) for grid in grids),
        tuple(np.concatenate([curve.tokens_by_question[grid] for curve in curves]) for grid in grids),
        {},
        None,
    )


def _means(values: npt.NDArray[Any], place: npt.NDArray[np.int64], shape: tuple[int, int]) -> Floats:
    counts = np.bincount(place, minlength=shape[0] * shape[1])
    return (np.bincount(place, weights=values.astype(float), minlength=len(counts)) / counts).reshape(shape)


def _over_grids(values: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(np.stack(values), axis=0)
    return mean
