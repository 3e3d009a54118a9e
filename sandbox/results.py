"""The episodes of an evaluation as an Arrow table, and how it is kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
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


class Group(NamedTuple):
    """The episodes of one repeat: every question of a grid, at one β."""

    controller: str
    grid: str
    beta: float | None
    """None for a controller whose schedule ignores it."""
    repeat: int
    result: GroupResult


def episode_table(groups: Sequence[Group]) -> pa.Table:
    """The rows of many groups, in their order (`EPISODES`)."""
    if not groups:
        return EPISODES.empty_table()
    results = [group.result for group in groups]
    sizes = np.array([len(result.status) for result in results])
    of = np.arange(len(groups)).repeat(sizes)

    def names(texts: Sequence[str], which: npt.NDArray[np.integer]) -> pa.Array:
        """Texts by number, equal ones as one, in the order of their first use."""
        codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
        return pa.DictionaryArray.from_arrays(
            pa.array(np.array([codes[text] for text in texts], np.int32)[which]), pa.array(list(codes))
        )

    def column(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array(np.concatenate([getattr(result, name) for result in results]), kind)

    codes, status = np.unique(np.concatenate([result.status for result in results]), return_inverse=True)
    betas = np.array([np.nan if group.beta is None else group.beta for group in groups])[of]
    whys = [result.why.get(number) for result in results for number in range(len(result.status))]
    return pa.table(
        [
            names([group.controller for group in groups], of),
            names([group.grid for group in groups], of),
            pa.array(betas, mask=np.isnan(betas)),
            pa.array(np.array([group.repeat for group in groups], np.int32)[of]),
            pa.array(np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])),
            names([Status(code).label for code in codes.tolist()], status),
            column("correct", pa.bool_()),
            pa.array([answer for result in results for answer in result.answer], pa.string()),
            *(column(name, pa.int64()) for name in ("tokens", "sequential_tokens", "longest_branch")),
            *(column(name, pa.int32()) for name in ("branches", "pruned", "finished", "calls")),
            pa.array(whys, pa.string()),
        ],
        schema=EPISODES,
    )


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, as a whole; equal tables give equal bytes."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
