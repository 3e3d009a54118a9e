"""The arrays behind a replay grid, and their form as one Arrow record batch that can be mapped into memory."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GridArrays:
    """Q questions, B branches, and for each branch L + 1 answers: L probes and the final one (A answers in all)."""

    interval: int
    provenance: str
    question_texts: pa.Array
    """(Q,) strings."""
    gold_texts: pa.Array
    """(Q,) strings."""
    answer_texts: pa.Array
    """(U,) strings: the distinct answers of question 0, then those of question 1, …"""
    first_branch: Int64
    """(Q + 1,): question q has the branches first_branch[q] … first_branch[q + 1] − 1."""
    first_text: Int64
    """(Q + 1,): code c of question q is answer_texts[first_text[q] + c]."""
    gold_code: Int32
    """(Q,): the code of the gold answer within its question, −1 if no branch ever gives it."""
    tokens: Int32
    """(B,): whole lengths, in tokens."""
    intervals: Int32
    """(B,): L, the recorded intervals."""
    first_answer: Int64
    """(B,): answer_codes[first_answer[b] + d − 1] is what branch b answers at depth d in 1 … L + 1."""
    answer_codes: Int32
    """(A,)."""
    confidences: Float32 | None
    """(A,): mean log-probabilities; NaN at final answers. None if the grid has none."""
    probe_tokens: Int32 | None
    """(A,): what each probe cost in tokens; 0 at final answers. None if the grid has none."""

    _ARRAYS = ("first_branch", "first_text", "gold_code", "tokens", "intervals", "first_answer", "answer_codes")
    _EXTRAS = ("confidences", "probe_tokens")
    _TEXTS = ("question_texts", "gold_texts", "answer_texts")

    @cached_property
    def questions(self) -> list[str]:
        """(Q,) texts."""
        return [str(text) for text in self.question_texts.to_pylist()]

    @cached_property
    def gold_answers(self) -> list[str]:
        """(Q,) reference answers."""
        return [str(text) for text in self.gold_texts.to_pylist()]

    def answer_text(self, question: int, code: int) -> str:
        """How answer `code` of `question` is spelt."""
        return str(self.answer_texts[int(self.first_text[question]) + code].as_py())

    def to_batch(self) -> pa.RecordBatch:
        """One row, each array a list: the form that maps back without copying."""
        columns: dict[str, pa.Array] = {
            "interval": pa.array([self.interval], pa.int64()),
            "provenance": pa.array([self.provenance], pa.large_string()),
        }
        for name in self._TEXTS:
            columns[name] = _one_list(getattr(self, name).cast(pa.large_string()))
        for name in (*self._ARRAYS, *self._EXTRAS):
            array = getattr(self, name)
            if array is not None:
                columns[name] = _one_list(pa.array(array))
        return pa.RecordBatch.from_pydict(columns)

    @classmethod
    def from_batch(cls, batch: pa.RecordBatch) -> "GridArrays":
        """The inverse of `to_batch`; arrays are views of the batch's buffers."""
        values: dict[str, Any] = {"interval": batch.column("interval")[0].as_py()}
        values["provenance"] = batch.column("provenance")[0].as_py()
        for name in cls._TEXTS:
            values[name] = batch.column(name).flatten()
        for name in cls._ARRAYS:
            values[name] = batch.column(name).flatten().to_numpy(zero_copy_only=True)
        for name in cls._EXTRAS:
            here = name in batch.schema.names
            values[name] = batch.column(name).flatten().to_numpy(zero_copy_only=True) if here else None
        return cls(**values)


def from_table(table: pa.Table, interval: int, provenance: str) -> GridArrays:
    """Build the arrays from a checked table (`envdata.gridcheck`)."""
    question_id = table.column("question_id").to_numpy()
    n_branches = table.num_rows
    first_row = np.flatnonzero(np.diff(question_id, prepend=-1))
    first_branch = np.append(first_row, n_branches).astype(np.int64)
    probes = table.column("probe_answers").combine_chunks()
    offsets = probes.offsets.to_numpy().astype(np.int64)
    intervals = np.diff(offsets)
    first_answer = np.concatenate([[0], np.cumsum(intervals + 1)])
    total = int(first_answer[-1])
    final_place = first_answer[1:] - 1
    is_probe = np.ones(total, bool)
    is_probe[final_place] = False

    # All strings once, probes first; then each is put where its branch wants it.
    finals = table.column("final_answer").combine_chunks()
    encoded = pa.concat_arrays([probes.flatten(), finals]).dictionary_encode()
    spelling = encoded.indices.to_numpy()
    everywhere = np.empty(total, np.int64)
    everywhere[is_probe] = spelling[: total - n_branches]
    everywhere[final_place] = spelling[total - n_branches :]
    question_of = np.repeat(question_id.astype(np.int64), intervals + 1)
    spellings = len(encoded.dictionary)
    distinct, codes = np.unique(question_of * spellings + everywhere, return_inverse=True)
    first_text = np.searchsorted(distinct, np.arange(len(first_row) + 1) * spellings).astype(np.int64)
    texts = encoded.dictionary.take(pa.array(distinct % spellings))
    gold_texts = table.column("gold_answer").combine_chunks().cast(pa.string()).take(pa.array(first_row))
    return GridArrays(
        interval=interval,
        provenance=provenance,
        question_texts=table.column("question").combine_chunks().cast(pa.string()).take(pa.array(first_row)),
        gold_texts=gold_texts,
        answer_texts=texts,
        first_branch=first_branch,
        first_text=first_text,
        gold_code=_gold_codes(gold_texts, texts, first_text),
        tokens=table.column("tokens").to_numpy().astype(np.int32),
        intervals=intervals.astype(np.int32),
        first_answer=first_answer[:-1].astype(np.int64),
        answer_codes=(codes - first_text[question_of]).astype(np.int32),
        confidences=_beside_probes(table, "probe_confidences", is_probe, np.nan, np.float32),
        probe_tokens=_beside_probes(table, "probe_tokens", is_probe, 0, np.int32),
    )


def _gold_codes(gold_texts: pa.Array, texts: pa.Array, first_text: Int64) -> Int32:
    codes = np.full(len(gold_texts), -1, np.int32)
    spelt = texts.to_pylist()
    for question, gold in enumerate(gold_texts.to_pylist()):
        own = spelt[first_text[question] : first_text[question + 1]]
        if gold in own:
            codes[question] = own.index(gold)
    return codes


def _beside_probes(table: pa.Table, column: str, is_probe: npt.NDArray[np.bool_], at_final: float, dtype: type) -> Any:
    if column not in table.column_names:
        return None
    values: npt.NDArray[Any] = np.full(len(is_probe), at_final, dtype)
    values[is_probe] = table.column(column).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values


def _one_list(values: pa.Array) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
