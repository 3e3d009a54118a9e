"""The episodes of an evaluation as an Arrow table, and its Parquet file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envdata.atomic import replacing
from envdata.episodes import UNRECORDED, GroupResult
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
        pa.field("decoded", pa.int64()),
        pa.field("probe_tokens", pa.int64()),
        pa.field("probe_prefill", pa.int64()),
    ]
)
"""One row per episode, sorted by controller (in the order given), grid, β, repeat and question. `beta` is null for a
controller whose schedule ignores it. Where `status` is not `ok`, `why` is the reason; it may quote the candidate.
`decoded` are the tokens of branches, `probe_tokens` those that recorded probes decoded, whatever they were charged, and
`probe_prefill` the prompt tokens that these had to read anew; null where a grid records none."""


class RepeatEpisodes(NamedTuple):
    """The episodes of one repeat: every question of a grid, at one β."""

    controller: str
    grid: str
    beta: float | None
    """None for a controller whose schedule ignores it."""
    repeat: int
    result: GroupResult


def episode_table(groups: Sequence[RepeatEpisodes]) -> pa.Table:
    """Return the rows of the groups, in their order (schema: `EPISODES`)."""
    if not groups:
        return EPISODES.empty_table()
    results = [group.result for group in groups]
    sizes = np.array([len(result.status) for result in results])
    of = np.arange(len(groups)).repeat(sizes)

    def names(texts: Sequence[str], which: npt.NDArray[np.integer]) -> pa.Array:
        """Return `texts[which]` dictionary-encoded, categories in the order of their first use."""
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
            column("decoded", pa.int64()),
            *(_recorded(column(name, pa.int64())) for name in ("probe_tokens", "probe_prefill")),
        ],
        schema=EPISODES,
    )


def _recorded(column: pa.Array) -> pa.Array:
    """Return a column with null in place of `UNRECORDED`."""
    return pc.if_else(pc.equal(column, UNRECORDED), pa.scalar(None, pa.int64()), column)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, atomically; equal tables give equal bytes."""
    # A stream, since Arrow takes no path whose bytes are not UTF-8.
    with replacing(path) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
