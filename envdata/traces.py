"""Action-by-action traces of episodes, recorded by the host from the actions themselves.

A trace has one row for each branch that an action touched, and one for each note and for the end. What a controller
says about itself (`note`) is only commentary; nothing of it is used for scoring.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from envdata.actions import Op
from envdata.ledger import Bools, Calls, Ints, Ledger
from envdata.rules import Course, Settled

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

_FIELDS = {
    "episode": np.int32, "call": np.int32, "op": np.int8, "branch": np.int32, "depth": np.int32, "finished": np.bool_,
    "answer": np.int32, "confidence": np.float32, "cost": np.int64, "tokens": np.int64,
}  # fmt: skip
"""What is kept of a row until its table is made, as narrow as it goes: a large grid has millions of rows."""

_OPS = np.array(sorted(Op))
_NAMES = pa.array([op.name for op in sorted(Op)])


@dataclass
class TraceLog:
    """The rows of all traced episodes that are running, in the order of the actions."""

    spelt: Callable[[npt.NDArray[np.int32], npt.NDArray[np.int32]], pa.Array]
    """Gives the spellings of answer codes of questions, null where a code is negative."""
    episodes: int
    traced: Bools = field(init=False)
    _chunks: dict[str, list[Any]] = field(init=False)
    _notes: dict[int, str] = field(init=False, default_factory=dict)
    """Texts by the number of their row."""
    _rows: int = field(init=False, default=0)
    _any: bool = field(init=False, default=False)
    _noted: Ints = field(init=False)
    _first: Ints = field(init=False)
    """By episode, the row from which on rows are its own: earlier ones may be of an episode that had its number."""

    def __post_init__(self) -> None:
        self.traced = np.zeros(self.episodes, bool)
        self._noted = np.zeros(self.episodes, np.int64)
        self._first = np.zeros(self.episodes, np.int64)
        self._clear()

    def begin(self, episodes: slice, traced: bool) -> None:
        """Say whether the episodes of a slice are to be recorded from now on."""
        self.traced[episodes] = traced
        self._noted[episodes] = 0
        self._any = bool(self.traced.any())
        if not self._any:
            self._clear()
        self._first[episodes] = self._rows

    def add_calls(self, calls: Calls, done: Settled | Course, episode: Ints, before: Ints, ledger: Ledger) -> None:
        """Record what admitted calls did; `episode` is that of each target, `before` the calls each had made."""
        if not self._any:
            return
        kept = np.flatnonzero(self.traced[episode])
        if kept.size:
            if isinstance(done, Course):
                kept = kept[np.lexsort((done.step[kept], done.settled.call[kept]))]
            own = episode[kept]
            if isinstance(done, Course):
                settled, step, op, total = done.settled, done.step[kept], done.op[kept], done.total[kept]
            else:
                settled, step, total = done, np.zeros_like(kept), ledger.tokens[own]
                op = calls.op[settled.call[kept]]
            self._add(
                own,
                before[own] + 1 + step,
                op,
                settled.place[kept] % ledger.width,
                settled.depth[kept],
                settled.finished[kept],
                settled.answer[kept],
                settled.confidence[kept],
                settled.cost[kept],
                total,
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
        episode = self._column("episode")
        rows = np.flatnonzero((episode >= episodes.start) & (episode < episodes.stop))
        rows = rows[rows >= self._first[episode[rows]]]
        # An episode's rows stand together, in the order of its actions.
        rows = rows[np.argsort(episode[rows], kind="stable")]
        question = episode[rows] - episodes.start
        confidence = self._column("confidence")[rows]
        table = pa.table(
            {
                "question": question,
                "call": self._column("call")[rows],
                "action": pa.DictionaryArray.from_arrays(np.searchsorted(_OPS, self._column("op")[rows]), _NAMES).cast(
                    SCHEMA.field("action").type
                ),
                "branch": self._column("branch")[rows],
                "depth": self._column("depth")[rows],
                "finished": self._column("finished")[rows],
                "answer": self.spelt(question, self._column("answer")[rows]),
                "confidence": pa.array(confidence, mask=np.isnan(confidence)),
                "cost": self._column("cost")[rows],
                "tokens": self._column("tokens")[rows],
                "note": self._remarks(rows),
            },
            schema=SCHEMA,
        )
        self.begin(episodes, False)
        return table

    def _column(self, name: str) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, _FIELDS[name]), *self._chunks[name]], dtype=_FIELDS[name])

    def _remarks(self, rows: npt.NDArray[np.intp]) -> pa.Array:
        texts = np.full(len(rows), None, object)
        for at in np.flatnonzero(np.isin(rows, list(self._notes))).tolist():
            texts[at] = self._notes[int(rows[at])]
        return pa.array(texts, pa.string())

    def _add_one(self, episode: int, op: Op, code: int, made: Ints, ledger: Ledger, text: str | None) -> None:
        if not self.traced[episode]:
            return
        if text is not None:
            self._notes[self._rows] = text
        row = (episode, made[episode], op, -1, 0, False, code, np.nan, 0, ledger.tokens[episode])
        self._add(*(np.array([value]) for value in row))

    def _add(self, *columns: Any) -> None:
        for (name, kind), column in zip(_FIELDS.items(), columns, strict=True):
            self._chunks[name].append(column.astype(kind, copy=False))
        self._rows += len(columns[0])

    def _clear(self) -> None:
        self._chunks = {name: [] for name in _FIELDS}
        self._notes = {}
        self._rows = 0
