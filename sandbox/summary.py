"""Means of an evaluation: one row per (controller, grid, β)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from envdata.intervals import Interval, over_questions
from envdata.scoring import question_means
from sandbox.status import Status


@dataclass(frozen=True)
class SummaryRow:
    """Means over the episodes of one controller on one grid at one β; costs in tokens, accuracy as a fraction."""

    controller: str
    grid: str
    beta: float | None
    status: str
    """`ok` if all episodes are, otherwise the most frequent failure; `failures` has them all."""
    accuracy: Interval
    """With its confidence interval over questions."""
    tokens: float
    sequential_tokens: float
    longest_branch: float
    branches: float
    episodes: int
    failures: dict[str, int]
    """Number of episodes by status, without `ok`."""
    why: str | None
    """Reason of the first failed episode."""
    decoded: float | None
    """Tokens of branches; None for episodes of a run that did not record them."""
    probe_tokens: float | None
    """Tokens that recorded probes decoded, whatever they were charged; None where they are not recorded."""
    probe_prefill: float | None
    """Prompt tokens that these probes had to read anew; None where they are not recorded."""


def summarise(episodes: pa.Table) -> Iterator[SummaryRow]:
    """Yield the rows of an evaluation's episodes (schema: `sandbox.results.EPISODES`), in their order."""
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


def failed_everywhere(episodes: pa.Table) -> list[str]:
    """Return the labels of the controllers without any episode of status `ok`, in their order."""
    labels = pc.unique(episodes.column("controller")).to_pylist()
    well = episodes.filter(pc.equal(episodes.column("status"), Status.OK.label))
    sound = set(pc.unique(well.column("controller")).to_pylist())
    return [label for label in labels if label not in sound]


def _row(own: pa.Table) -> SummaryRow:
    question = own.column("question").to_numpy()
    correct = own.column("correct").to_numpy()
    per_question = question_means(correct, question, int(question.max()) + 1)
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(own.column("status")).to_pylist()}
    failures = {status: counts[status] for status in sorted(counts) if status != "ok"}
    reasons = own.column("why").drop_null()
    return SummaryRow(
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
        decoded=_recorded_mean(own, "decoded"),
        probe_tokens=_recorded_mean(own, "probe_tokens"),
        probe_prefill=_recorded_mean(own, "probe_prefill"),
    )


def _mean(own: pa.Table, column: str) -> float:
    return float(np.mean(own.column(column).to_numpy()))


def _recorded_mean(own: pa.Table, column: str) -> float | None:
    return None if own.column(column).null_count else _mean(own, column)


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.generic]:
    if pa.types.is_dictionary(column.type):
        return np.asarray(column.combine_chunks().indices)
    return np.asarray(pc.fill_null(column, -1.0))
