"""An evaluation in figures: one row a (controller, grid, β)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from envdata.scoring import Interval, over_questions, question_means


@dataclass(frozen=True)
class Row:
    """Means over the episodes of one controller on one grid at one β; accuracies as fractions."""

    controller: str
    grid: str
    beta: float | None
    status: str
    """`ok` if all episodes are, otherwise the most frequent failure; `failures` has them all."""
    accuracy: Interval
    """Over questions."""
    tokens: float
    sequential_tokens: float
    longest_branch: float
    branches: float
    episodes: int
    failures: dict[str, int]
    """Episodes by status, `ok` left out."""
    why: str | None
    """What the first failed episode said."""


def summarise(episodes: pa.Table) -> Iterator[Row]:
    """The rows of an evaluation's episodes (`sandbox.results.EPISODES`), in their order."""
    if not episodes.num_rows:
        return
    columns = ("controller", "grid", "beta")
    keys = [_codes(episodes.column(name)) for name in columns]
    changed = np.zeros(episodes.num_rows, bool)
    changed[0] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(changed)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), episodes.num_rows], strict=True):
        yield _row(episodes.slice(start, end - start))


def _row(own: pa.Table) -> Row:
    question = own.column("question").to_numpy()
    correct = own.column("correct").to_numpy()
    per_question = question_means(correct, question, int(question.max()) + 1)
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(own.column("status")).to_pylist()}
    failures = {status: counts[status] for status in sorted(counts) if status != "ok"}
    reasons = own.column("why").drop_null()
    return Row(
        controller=own.column("controller")[0].as_py(),
        grid=own.column("grid")[0].as_py(),
        beta=own.column("beta")[0].as_py(),
        status=max(failures, key=failures.__getitem__, default="ok"),
        accuracy=over_questions(per_question),
        tokens=_mean(own, "tokens"),
        sequential_tokens=_mean(own, "sequential_tokens"),
        longest_branch=_mean(own, "longest_branch"),
        branches=_mean(own, "branches"),
        episodes=own.num_rows,
        failures=failures,
        why=reasons[0].as_py() if len(reasons) else None,
    )


def _mean(own: pa.Table, column: str) -> float:
    return float(np.mean(own.column(column).to_numpy()))


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.generic]:
    if pa.types.is_dictionary(column.type):
        return np.asarray(column.combine_chunks().indices)
    return np.asarray(pc.fill_null(column, -1.0))
