"""Action-by-action traces of episodes, recorded by the host from the actions themselves.

A trace has one row for each branch that an action touched, and one for each note and for the end. What a controller
says about itself (`note`) is only commentary; nothing of it is used for scoring.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from envdata.actions import Op
from envdata.grid import Grid
from envdata.rules import Bools, Calls, Ints, Ledger, Settled

SCHEMA = pa.schema(
    [
        ("question", pa.int32()),
        ("call", pa.int32()),
        ("action", pa.dictionary(pa.int8(), pa.string())),
        ("branch", pa.int32()),
        ("depth", pa.int32()),
        ("finished", pa.bool_()),
        ("answer", pa.string()),
        ("confidence", pa.float32()),
        ("cost", pa.int64()),
        ("tokens", pa.int64()),
        ("note", pa.string()),
    ]
)
"""`call` counts an episode's admitted calls from 1 (an action between two calls has the number of the one before it);
`branch` counts in the order of opening, −1 where none is meant; `cost` is the row's own, `tokens` the episode's total
after the call. An answer is null where nothing was revealed."""

MAX_NOTES = 1000
"""Remarks that are kept of one episode; there is no other bound on how many a controller leaves."""

_FIELDS = ("episode", "call", "op", "branch", "depth", "finished", "answer", "confidence", "cost", "tokens")


@dataclass
class TraceLog:
    """The rows of all traced episodes that are running, in the order of the actions."""

    grid: Grid
    episodes: int
    traced: Bools = field(init=False)
    _chunks: dict[str, list[Any]] = field(init=False)
    _notes: dict[int, str] = field(init=False, default_factory=dict)
    """Texts by the number of their row."""
    _rows: int = field(init=False, default=0)
    _any: bool = field(init=False, default=False)
    _noted: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.traced = np.zeros(self.episodes, bool)
        self._noted = np.zeros(self.episodes, np.int64)
        self._clear()

    def begin(self, episodes: slice, traced: bool) -> None:
        """Say whether the episodes of a slice are to be recorded from now on."""
        self.traced[episodes] = traced
        self._noted[episodes] = 0
        self._any = bool(self.traced.any())
        if not self._any:
            self._clear()

    def add_calls(self, calls: Calls, settled: Settled, episode: Ints, made: Ints, ledger: Ledger) -> None:
        """Record what admitted calls did; `episode` is that of each target, `made` counts every episode's calls."""
        if not self._any:
            return
        kept = np.flatnonzero(self.traced[episode])
        if kept.size:
            own = episode[kept]
            self._add(
                own,
                made[own],
                calls.op[settled.call[kept]],
                settled.place[kept] % ledger.width,
                settled.depth[kept],
                settled.finished[kept],
                settled.answer[kept],
                settled.confidence[kept],
                settled.cost[kept],
                ledger.tokens[own],
            )

    def add_prunes(self, episode: Ints, branch: Ints, admitted: Bools, made: Ints, ledger: Ledger) -> None:
        """Record pruned branches."""
        if not self._any:
            return
        kept = np.flatnonzero(self.traced[episode] & admitted)
        if kept.size:
            own, which = episode[kept], branch[kept]
            n = len(own)
            depth = ledger.depth[own * ledger.width + which]
            self._add(
                own, made[own], np.full(n, Op.PRUNE), which, depth, np.zeros(n, bool),
                np.full(n, -1), np.full(n, np.nan), np.zeros(n, np.int64), ledger.tokens[own],
            )  # fmt: skip

    def add_end(self, episode: int, op: Op, code: int, made: Ints, ledger: Ledger, why: str | None = None) -> None:
        """Record how an episode ended: with the answer `code` (−1 for none), or why it failed."""
        self._add_one(episode, op, code, made, ledger, why)

    def add_note(self, episode: int, text: str, made: Ints, ledger: Ledger) -> None:
        """Record a controller's remark, up to `MAX_NOTES` an episode."""
        self._noted[episode] += 1
        if self._noted[episode] > MAX_NOTES:
            return
        self._add_one(episode, Op.NOTE, -1, made, ledger, text)

    def take(self, episodes: slice) -> pa.Table:
        """The rows of the episodes of a slice, which are traced no longer; `question` counts within the slice."""
        if not self.traced[episodes].any():
            return SCHEMA.empty_table()
        columns = {name: np.concatenate(self._chunks[name]) if self._rows else np.zeros(0) for name in _FIELDS}
        own = (columns["episode"] >= episodes.start) & (columns["episode"] < episodes.stop)
        rows = np.flatnonzero(own)
        # An episode's rows stand together, in the order of its actions.
        rows = rows[np.argsort(columns["episode"][rows], kind="stable")]
        kept = {name: column[rows] for name, column in columns.items()}
        question = (kept["episode"] - episodes.start).astype(np.int32)
        table = pa.table(
            {
                "question": question,
                "call": kept["call"].astype(np.int32),
                "action": pa.array([Op(op).name for op in kept["op"]])
                .dictionary_encode()
                .cast(SCHEMA.field("action").type),
                "branch": kept["branch"].astype(np.int32),
                "depth": kept["depth"].astype(np.int32),
                "finished": kept["finished"].astype(bool),
                "answer": pa.array(self._texts(question, kept["answer"]), pa.string()),
                "confidence": pa.array(kept["confidence"].astype(np.float32), mask=np.isnan(kept["confidence"])),
                "cost": kept["cost"].astype(np.int64),
                "tokens": kept["tokens"].astype(np.int64),
                "note": pa.array([self._notes.get(int(row)) for row in rows], pa.string()),
            },
            schema=SCHEMA,
        )
        self.begin(episodes, False)
        return table

    def _texts(self, question: Any, code: Any) -> list[str | None]:
        arrays = self.grid.arrays
        return [None if c < 0 else arrays.answer_text(int(q), int(c)) for q, c in zip(question, code, strict=True)]

    def _add_one(self, episode: int, op: Op, code: int, made: Ints, ledger: Ledger, text: str | None) -> None:
        if not self.traced[episode]:
            return
        if text is not None:
            self._notes[self._rows] = text
        row = (episode, made[episode], op, -1, 0, False, code, np.nan, 0, ledger.tokens[episode])
        self._add(*(np.array([value]) for value in row))

    def _add(self, *columns: Any) -> None:
        for name, column in zip(_FIELDS, columns, strict=True):
            self._chunks[name].append(column)
        self._rows += len(columns[0])

    def _clear(self) -> None:
        self._chunks = {name: [] for name in _FIELDS}
        self._notes = {}
        self._rows = 0
