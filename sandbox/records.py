"""What the branches of a grid will say, as the bytes that sealed branches are made of (`sandbox.sealing`)."""

from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from envdata.grid import Grid
from sandbox.inside.wire import RECORD, RECORD_TEXT

KEPT = 256
"""Questions whose records are kept at most; they are made again in a fraction of a millisecond."""
LONGEST = (1 << 16) - 1
"""Bytes of an answer that a record can tell of, and more than a pipe holds beside it."""

_SIZE = RECORD.size
_RECORDS = np.dtype([("cost", "<i4"), ("finished", "u1"), ("size", "<u2"), ("text", f"S{RECORD_TEXT}")])


@dataclass(frozen=True, slots=True)
class Records:
    """What the branches of a question will say, one after the other: each interval's record, at the end the last's."""

    blob: bytes
    at: "array[int]"
    """Where each record begins in `blob`, and the end; no array of numpy's, for they are looked up one by one."""
    bounds: "array[int]"
    """By branch, its first record; and the end."""

    def rest(self, branch: int, depth: int) -> tuple[bytes, int, int]:
        """What a branch says beyond a depth, and between which records it is."""
        first, end = self.bounds[branch] + depth, self.bounds[branch + 1]
        return self.blob[self.at[first] : self.at[end]], first, end

    def begun(self, first: int, end: int, left: int) -> int:
        """How many of the records from `first` to `end` were begun, where `left` bytes of them are left."""
        return bisect_left(self.at, self.at[end] - left, first, end) - first


class RecordBook:
    """The records of a grid, question by question, made as they are asked for."""

    def __init__(self, grid: Grid, probe_cost: int | None) -> None:
        """`probe_cost` is κ_probe in tokens; None takes the grid's recorded costs."""
        self._grid, self._probe_cost = grid, probe_cost
        self.of: Callable[[int], Records] = lru_cache(maxsize=KEPT)(self._make)
        """The records of a question."""

    def _make(self, question: int) -> Records:
        arrays, probe = self._grid.arrays, self._probe_cost
        branches = slice(int(arrays.first_branch[question]), int(arrays.first_branch[question + 1]))
        intervals = arrays.intervals[branches].astype(np.int64)
        bounds = np.append(0, (intervals + 1).cumsum())
        cells = slice(int(arrays.first_answer[branches.start]), int(arrays.first_answer[branches.start] + bounds[-1]))
        texts = arrays.answer_texts[int(arrays.first_text[question]) : int(arrays.first_text[question + 1])]
        spelt = [text.encode() for text in texts.to_pylist()]
        code = arrays.answer_codes[cells]
        sizes = np.array([len(text) for text in spelt])[code]
        records = np.zeros(len(code), _RECORDS)
        records["text"] = np.array([text[:RECORD_TEXT] for text in spelt], f"S{RECORD_TEXT}")[code]
        records["size"] = np.minimum(sizes, LONGEST)
        records["cost"] = arrays.interval
        if probe is not None:
            records["cost"] += probe
        elif arrays.probe_tokens is not None:
            records["cost"] += arrays.probe_tokens[cells]
        ends = bounds[1:] - 1
        records["finished"][ends] = 1
        records["cost"][ends] = np.maximum(0, arrays.tokens[branches] - arrays.interval * intervals)
        at = np.append(0, (_SIZE + np.maximum(0, sizes - RECORD_TEXT)).cumsum())
        whole, parts, before = records.tobytes(), [], 0
        for cell in np.flatnonzero(sizes > RECORD_TEXT).tolist():
            parts += [whole[before : (cell + 1) * _SIZE], spelt[code[cell]][RECORD_TEXT:]]
            before = (cell + 1) * _SIZE
        return Records(b"".join((*parts, whole[before:])), array("q", at.tobytes()), array("q", bounds.tobytes()))
