"""β sweeps as arrays of accuracy and tokens by question, for means and paired differences.

Questions are the sample; repeats are averaged first. Grids with the same questions (one benchmark, several models) form
one set: their values are averaged question by question. Different sets are independent samples.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from envdata.grid import Grid
from envdata.intervals import Floats, Interval, Sample, bounded_each, unbounded

COLUMNS = ("controller", "grid", "beta", "question", "correct", "tokens", "sequential_tokens", "status", "why")
"""Columns of `sandbox.results.EPISODES` that a curve is made from."""


@dataclass(frozen=True)
class Questions:
    """Questions of the grids that are scored together, grouped into sets of grids with the same questions."""

    grids: tuple[str, ...]
    """Paths of the grids, as in results."""
    ids: tuple[tuple[str, ...], ...]
    """Hash of each question's text, by grid: the same question has the same id on all grids."""

    @cached_property
    def sets(self) -> tuple[tuple[int, ...], ...]:
        """Independent sets of questions, each as the indices of its grids."""
        return tuple(tuple(grid for grid, own in enumerate(self.ids) if own == ids) for ids in dict.fromkeys(self.ids))

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """Weight of each set in the mean over grids."""
        return tuple(len(grids) / len(self.grids) for grids in self.sets)

    def on_grid(self, place: int) -> "Questions":
        """Return the questions of the grid with index `place` alone."""
        return Questions((self.grids[place],), (self.ids[place],))

    def merge(self, by_grid: Sequence[Floats]) -> tuple[Floats, ...]:
        """Return the means over the grids of each set; `by_grid` has an array (P, Q) for each grid."""
        return tuple(np.mean([by_grid[grid] for grid in grids], axis=0) for grids in self.sets)


def questions_of(grids: Sequence[str]) -> Questions:
    """Return the questions of the grids at these paths. Raises GridError."""
    return Questions(tuple(grids), tuple(question_ids(Grid.load(path)) for path in grids))


def question_ids(grid: Grid) -> tuple[str, ...]:
    """Return the id of each question of a grid: the first 16 hexadecimal digits of the SHA-256 of its text."""
    return tuple(hashlib.sha256(text.encode()).hexdigest()[:16] for text in grid.questions)


@dataclass(frozen=True)
class Curve:
    """Sweep of one controller: P points over G grids. Accuracies are fractions."""

    label: str
    betas: tuple[float | None, ...]
    """(P,); a single None for a controller that ignores β."""
    correct: tuple[Floats, ...]
    """For each grid, (P, Q): share of repeats in which each question was answered rightly."""
    tokens_by_question: tuple[Floats, ...]
    """For each grid, (P, Q): mean tokens over repeats."""
    failures: Mapping[str, int]
    """Failed episodes by status."""
    why: str | None
    """Message of the first failed episode."""
    sequential_by_question: tuple[Floats, ...] = ()
    """For each grid, (P, Q): mean sequential tokens over repeats; empty if they are not known."""

    @classmethod
    def from_episodes(cls, episodes: pa.Table, label: str, grids: Sequence[str]) -> "Curve":
        """Return the curve of one controller.

        Args:
            episodes: Table with the schema `sandbox.results.EPISODES`, or its columns `COLUMNS`.
            label: The controller.
            grids: Paths of the grids, in the order wanted.

        Raises:
            KeyError: The controller has no episodes.
        """
        own = episodes.filter(pc.equal(episodes.column("controller").cast(pa.string()), label))
        if not own.num_rows:
            raise KeyError(f"{label!r} has no episodes")
        betas = own.column("beta").unique().to_pylist()
        means = _Means.of(own, betas, grids)
        correct, tokens = means.by_grid("correct"), means.by_grid("tokens")
        sequential = means.by_grid("sequential_tokens") if "sequential_tokens" in own.column_names else ()
        counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(own.column("status")).to_pylist()}
        failures = {status: counts[status] for status in sorted(counts) if status != "ok"}
        reasons = own.column("why").drop_null()
        why = reasons[0].as_py() if len(reasons) else None
        return cls(label, tuple(betas), correct, tokens, failures, why, sequential)

    @classmethod
    def sound_part(cls, episodes: pa.Table, label: str, grids: Sequence[str]) -> "Curve | None":
        """Return the curve of those points of a controller in which no episode failed; None if there are none.

        Arguments and errors are those of `from_episodes`.
        """
        own = episodes.filter(pc.equal(episodes.column("controller").cast(pa.string()), label))
        failed = own.filter(pc.not_equal(own.column("status").cast(pa.string()), "ok")).column("beta").unique()
        sound = own.filter(pc.invert(pc.is_in(own.column("beta"), failed)))
        return cls.from_episodes(sound, label, grids) if sound.num_rows or not own.num_rows else None

    def on_grid(self, place: int) -> "Curve":
        """Return the curve on the grid with index `place` alone. Failures are those on all grids."""
        return replace(
            self,
            correct=(self.correct[place],),
            tokens_by_question=(self.tokens_by_question[place],),
            sequential_by_question=self.sequential_by_question[place : place + 1],
        )

    def charged(self, latency: float) -> "Curve":
        """Return the curve with costs in place of tokens: tokens^(1 − latency) · sequential tokens^latency a question.

        Raises:
            ValueError: Sequential tokens are not known.
        """
        if not latency:
            return self
        costs = tuple(
            tokens ** (1 - latency) * sequential**latency
            for tokens, sequential in zip(self.tokens_by_question, self.sequential_by_question, strict=True)
        )
        return replace(self, tokens_by_question=costs)

    @property
    def accuracy(self) -> Floats:
        """(P,): mean accuracy over questions, then over grids."""
        return _over_grids([values.mean(axis=1) for values in self.correct])

    @property
    def tokens(self) -> Floats:
        """(P,): mean tokens over questions, then over grids."""
        return _over_grids([values.mean(axis=1) for values in self.tokens_by_question])

    @property
    def sequential(self) -> Floats:
        """(P,): mean sequential tokens over questions, then over grids. Raises ValueError if they are not known."""
        return _over_grids([values.mean(axis=1) for values in self.sequential_by_question])

    def accuracies(self, questions: Questions, point: int) -> Sample:
        """Return the accuracy of each question at the point with index `point`."""
        return Sample(tuple(own[point] for own in questions.merge(self.correct)), questions.shares)

    def costs(self, questions: Questions, point: int) -> Sample:
        """Return the mean tokens of each question at the point with index `point`."""
        return Sample(tuple(own[point] for own in questions.merge(self.tokens_by_question)), questions.shares)

    def accuracy_intervals(self, questions: Questions) -> list[Interval]:
        """Return the accuracy of each point with its 95 % interval over questions."""
        return bounded_each([self.accuracies(questions, point) for point in range(len(self.betas))])

    def token_intervals(self, questions: Questions) -> list[Interval]:
        """Return the tokens of each point with their 95 % interval over questions."""
        return [unbounded(self.costs(questions, point)) for point in range(len(self.betas))]

    def same_results(self, other: "Curve", point: int | None = None, other_point: int | None = None) -> bool:
        """Return whether accuracy and tokens are equal on every question: at all points, or at one point of each."""
        a, b = (slice(None) if at is None else at for at in (point, other_point))
        return all(
            np.array_equal(own[a], theirs[b])
            for mine, yours in (
                (self.correct, other.correct),
                (self.tokens_by_question, other.tokens_by_question),
            )
            for own, theirs in zip(mine, yours, strict=True)
        )


def concatenate(curves: Sequence[Curve], label: str = "") -> Curve:
    """Return one curve with all points of several curves over the same grids."""
    grids = range(len(curves[0].correct))
    return Curve(
        label,
        tuple(beta for curve in curves for beta in curve.betas),
        tuple(np.concatenate([curve.correct[grid] for curve in curves]) for grid in grids),
        tuple(np.concatenate([curve.tokens_by_question[grid] for curve in curves]) for grid in grids),
        {},
        None,
        tuple(
            np.concatenate([curve.sequential_by_question[grid] for curve in curves])
            for grid in grids
            if all(curve.sequential_by_question for curve in curves)
        ),
    )


@dataclass(frozen=True)
class _Means:
    """Means over repeats of the columns of one controller's episodes, for all grids in one pass."""

    rows: pa.Table
    """The episodes on the grids."""
    place: npt.NDArray[np.int64]
    """For each row, its grid, point and question as one number."""
    grids: tuple[str, ...]
    sizes: Mapping[str, int]
    """Questions of each grid."""
    shape: tuple[int, int, int]
    """Distinct grids, points, and questions of the largest grid."""

    @classmethod
    def of(cls, episodes: pa.Table, betas: Sequence[float | None], grids: Sequence[str]) -> "_Means":
        names = tuple(dict.fromkeys(grids))
        grid = pc.index_in(episodes.column("grid").cast(pa.string()), pa.array(names, pa.string()))
        rows, grid = episodes.filter(grid.is_valid()), grid.drop_null().to_numpy().astype(np.int64)
        point = pc.index_in(rows.column("beta"), pa.array(betas, pa.float64())).to_numpy()
        question = rows.column("question").to_numpy()
        sizes = {name: int(question[grid == number].max()) + 1 for number, name in enumerate(names)}
        shape = (len(names), len(betas), max(sizes.values()))
        return cls(rows, (grid * shape[1] + point) * shape[2] + question, tuple(grids), sizes, shape)

    def by_grid(self, name: str) -> tuple[Floats, ...]:
        """Return the means of a column, (P, Q) for each grid."""
        values = self.rows.column(name).to_numpy().astype(float)
        sums = np.bincount(self.place, weights=values, minlength=self._counts.size).reshape(self.shape)
        own = {
            grid: sums[place, :, :size] / self._counts[place, :, :size]
            for place, (grid, size) in enumerate(self.sizes.items())
        }
        return tuple(own[grid] for grid in self.grids)

    @cached_property
    def _counts(self) -> npt.NDArray[np.int64]:
        return np.bincount(self.place, minlength=self.shape[0] * self.shape[1] * self.shape[2]).reshape(self.shape)


def _over_grids(values: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(np.stack(values), axis=0)
    return mean
