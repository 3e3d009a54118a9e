"""The episodes of an evaluation as an Arrow table, and how it is kept."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from envdata.atomic import replacing
from envdata.episodes import GroupResult
from sandbox.status import Status

_NAMES = pa.dictionary(pa.int32(), pa.string())

EPISODES = pa.schema(
    [
        pa.field("controller", _NAMES, nullable=False),
        pa.field("grid", _NAMES, nullable=False),
        pa.field("beta", pa.float64()),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("question", pa.int32(), nullable=False),
        pa.field("status", _NAMES, nullable=False),
        pa.field("correct", pa.bool_(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("sequential_tokens", pa.int64(), nullable=False),
        pa.field("longest_branch", pa.int64(), nullable=False),
        pa.field("branches", pa.int32(), nullable=False),
        pa.field("pruned", pa.int32(), nullable=False),
        pa.field("finished", pa.int32(), nullable=False),
        pa.field("calls", pa.int32(), nullable=False),
        pa.field("why", pa.string()),
    ]
)
"""One row an episode, sorted by controller (in the order given), grid, β, repeat and question. `beta` is null for a
controller whose schedule ignores it; `why` says what went wrong where `status` is not `ok`, in the candidate's own
words, quoted."""


def group_table(controller: str, grid: str, beta: float | None, repeat: int, result: GroupResult) -> pa.Table:
    """The rows of one group."""
    questions = len(result.status)

    def same(value: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(questions, np.int32)), pa.array([value]))

    codes, statuses = np.unique(result.status, return_inverse=True)
    whys = [result.why.get(question) for question in range(questions)] if result.why else None
    return pa.table(
        [
            same(controller),
            same(grid),
            pa.nulls(questions, pa.float64()) if beta is None else pa.array(np.full(questions, beta)),
            pa.array(np.full(questions, repeat, np.int32)),
            pa.array(np.arange(questions, dtype=np.int32)),
            pa.DictionaryArray.from_arrays(
                pa.array(statuses.astype(np.int32)), pa.array([Status(code).label for code in codes.tolist()])
            ),
            pa.array(result.correct),
            pa.array(result.answer, pa.string()),
            pa.array(result.tokens, pa.int64()),
            pa.array(result.sequential_tokens, pa.int64()),
            pa.array(result.longest_branch, pa.int64()),
            pa.array(result.branches.astype(np.int32)),
            pa.array(result.pruned.astype(np.int32)),
            pa.array(result.finished.astype(np.int32)),
            pa.array(result.calls.astype(np.int32)),
            pa.nulls(questions, pa.string()) if whys is None else pa.array(whys, pa.string()),
        ],
        schema=EPISODES,
    )


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, as a whole; equal tables give equal bytes."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
