"""The arrays behind a replay grid, and their form as one Arrow record batch that can be mapped into memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from envdata.grid_schema import PROBE_CONFIDENCE, SIGNAL

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


NO_ANSWER = -2
"""What `answers_by_depth` has beyond the end of a branch: no answer's code, and not −1, which a gold code may be."""


@dataclass(frozen=True)
class GridArrays:
    """Q questions, B branches, and for each branch L + 1 answers: L probes and the final one (A answers in all).

    Branches have lengths of their own, so the arrays are flat, question after question and branch after branch.
    `answers_by_depth(q)` and `tokens_by_depth(q)` give one question as a matrix of branch × depth:

        answers = grid.arrays.answers_by_depth(3)               # answer codes, (branches, depths)
        right = answers == grid.arrays.gold_code[3]             # where a branch answers as the reference does

    An answer code means something within its question only. Codes follow the order in which the file spells the
    answers, probes before final answers; the reference answer is not numbered first, nor otherwise told apart. All
    arrays are read-only, and shared with the engine that replays the grid.
    """

    interval: int
    """Δ, in tokens."""
    provenance: str
    """Where the grid comes from: a JSON object."""
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
    """(A,): mean log-probabilities; NaN at final answers and where none is known. None if the grid has none."""
    probe_tokens: Int32 | None
    """(A,): what each probe cost in tokens decoded; 0 at final answers. None if the grid has none."""
    probe_prefill: Int32 | None = None
    """(A,): prompt tokens that each probe had to read anew, those that no prefix cache held; 0 at final answers. None
    if the grid has none."""
    signals: Mapping[str, Float32] = field(default_factory=dict)
    """By name, (A,): a number beside each interval; NaN where none is known. `signal_names` has the confidences too."""

    _ARRAYS = ("first_branch", "first_text", "gold_code", "tokens", "intervals", "first_answer", "answer_codes")
    _EXTRAS = ("confidences", "probe_tokens", "probe_prefill")
    _TEXTS = ("question_texts", "gold_texts", "answer_texts")

    @cached_property
    def signal_names(self) -> tuple[str, ...]:
        """Names of all signals, sorted, with that of the probes' confidences if the grid has them."""
        own = () if self.confidences is None else (PROBE_CONFIDENCE,)
        return tuple(sorted((*own, *self.signals)))

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

    def branches_of(self, question: int) -> slice:
        """The places of a question's branches in the arrays of shape (B,)."""
        return slice(int(self.first_branch[question]), int(self.first_branch[question + 1]))

    def answers_by_depth(self, question: int) -> Int32:
        """Answer codes of a question, shape (n, D): row b, column d − 1 is the answer of its branch b at depth d.

        n is the number of its branches, D the largest L + 1 among them. Depths 1 … L of a branch are probes after as
        many intervals, depth L + 1 is its final answer, and beyond that stands `NO_ANSWER`.
        """
        own = self.branches_of(question)
        depth, ends = self._depths(own)
        inside = depth <= ends
        codes = np.full(inside.shape, NO_ANSWER, np.int32)
        codes[inside] = self.answer_codes[(self.first_answer[own, None] + depth - 1)[inside]]
        return codes

    def tokens_by_depth(self, question: int) -> Int64:
        """Tokens decoded to reach each depth of a question's branches, shape (n, D), without the cost of probes.

        Δ·d for d ≤ L, and max(Δ·L, whole length) at depth L + 1, where it stays beyond the end of a branch.
        """
        own = self.branches_of(question)
        depth, ends = self._depths(own)
        whole = np.maximum(self.interval * (ends - 1), self.tokens[own, None])
        return np.where(depth < ends, self.interval * depth, whole).astype(np.int64)

    def signal_by_depth(self, question: int, name: str) -> Float32:
        """A signal of a question, shape (n, D) as `answers_by_depth`; NaN where none is known.

        Depths 1 … L are intervals, depth L + 1 is the branch's last step. The probes' confidences are the signal
        `probe_confidence`. Raises KeyError if the grid lacks the signal.
        """
        own = self.branches_of(question)
        depth, ends = self._depths(own)
        inside = depth <= ends
        if name == PROBE_CONFIDENCE and self.confidences is not None:
            flat = self.confidences
        else:
            flat = self.signals[name]
        values = np.full(inside.shape, np.nan, np.float32)
        values[inside] = flat[(self.first_answer[own, None] + depth - 1)[inside]]
        return values

    def _depths(self, own: slice) -> tuple[Int64, Int64]:
        """Depths 1 … D as a row, and L + 1 of each branch as a column."""
        ends = self.intervals[own, None].astype(np.int64) + 1
        return np.arange(1, int(ends.max(initial=0)) + 1)[None, :], ends

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
        for name, values in self.signals.items():
            columns[SIGNAL + name] = _one_list(pa.array(values))
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
        values["signals"] = {
            name.removeprefix(SIGNAL): batch.column(name).flatten().to_numpy(zero_copy_only=True)
            for name in batch.schema.names
            if name.startswith(SIGNAL)
        }
        return cls(**values)


def from_table(table: pa.Table, interval: int, provenance: str) -> GridArrays:
    """Build the arrays from a checked table (`envdata.grid_schema`)."""
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
    gold_texts = table.column("gold_answer").combine_chunks().take(pa.array(first_row)).cast(pa.string())
    return GridArrays(
        interval=interval,
        provenance=provenance,
        question_texts=table.column("question").combine_chunks().take(pa.array(first_row)).cast(pa.string()),
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
        probe_prefill=_beside_probes(table, "probe_prefill", is_probe, 0, np.int32),
        signals={
            name.removeprefix(SIGNAL): _beside_intervals(table, name, first_answer[:-1])
            for name in table.column_names
            if name.startswith(SIGNAL)
        },
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
    if dtype is np.float32:
        values[~np.isfinite(values)] = np.nan
    return values


def _beside_intervals(table: pa.Table, column: str, first_answer: Int64) -> Float32:
    """Return a signal beside the answers, NaN at intervals without a value; `first_answer` as in `GridArrays`."""
    lists = table.column(column).combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    total = len(table.column("probe_answers").combine_chunks().flatten()) + table.num_rows
    values = np.full(total, np.nan, np.float32)
    starts = np.cumsum(lengths) - lengths
    own = np.repeat(first_answer - starts, lengths) + np.arange(lengths.sum())
    values[own] = lists.flatten().to_numpy(zero_copy_only=False)
    values[~np.isfinite(values)] = np.nan
    return values


def _one_list(values: pa.Array) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
