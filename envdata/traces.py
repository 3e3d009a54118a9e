"""Action-by-action traces of episodes, recorded by the host from the actions themselves.

A trace has one row for each branch that an action touched, one for each note and one for the end. Notes are a
controller's commentary and are not used for scoring.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from envdata.actions import Op
from envdata.episode_state import Bools, Calls, EpisodeStates, Ints
from envdata.rules import SettledCalls

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
"""Columns of a trace.

`call` counts an episode's admitted calls from 1; an action between two calls has the number of the earlier one.
`branch` counts in the order of opening, −1 where no branch is meant. `cost` is the row's own, `tokens` the episode's
total after the call, both in tokens. `answer` is null where nothing was revealed.
"""

MAX_NOTES = 1000
"""Largest number of notes that are kept of one episode; a controller may leave any number."""

_FIELDS = {
    "episode": np.int32, "call": np.int32, "op": np.int8, "branch": np.int32, "depth": np.int32, "finished": np.bool_,
    "answer": np.int32, "confidence": np.float32, "cost": np.int64, "tokens": np.int64,
}  # fmt: skip
"""Columns while episodes run, in narrow types: a large grid has millions of rows."""

_OPS = np.array(sorted(Op))


@dataclass
class TraceLog:
    """Rows of all traced episodes that are running, in the order of the actions.

    `made` in its methods is the number of admitted calls of each episode, shape (E,).
    """

    spelt: Callable[[npt.NDArray[np.int32], npt.NDArray[np.int32]], pa.Array]
    """Returns the texts of answer codes of questions, null where a code is negative."""
    episodes: int
    """E, the number of episodes."""
    traced: Bools = field(init=False)
    """Whether each episode is traced, shape (E,)."""
    _chunks: dict[str, list[Any]] = field(init=False)
    """Arrays of each column, in the order of recording."""
    _notes: dict[int, str] = field(init=False, default_factory=dict)
    """Texts by the index of their row."""
    _rows: int = field(init=False, default=0)
    _any: bool = field(init=False, default=False)
    """Whether any episode is traced."""
    _noted: Ints = field(init=False)
    """Number of notes of each episode."""
    _first: Ints = field(init=False)
    """Index of the first row of each episode; earlier rows may be of a former episode of the same number."""

    def __post_init__(self) -> None:
        self.traced = np.zeros(self.episodes, bool)
        self._noted = np.zeros(self.episodes, np.int64)
        self._first = np.zeros(self.episodes, np.int64)
        self._clear()

    def begin(self, episodes: slice, traced: bool) -> None:
        """Set whether the episodes of a slice are traced from now on."""
        self.traced[episodes] = traced
        self._noted[episodes] = 0
        self._any = bool(self.traced.any())
        if not self._any:
            self._clear()
        self._first[episodes] = self._rows

    def add_calls(self, calls: Calls, settled: SettledCalls, episode: Ints, made: Ints, states: EpisodeStates) -> None:
        """Record admitted calls.

        Args:
            calls: The calls.
            settled: Their results, with T targets.
            episode: The episode of each target, shape (T,).
            made: Admitted calls of each episode before these.
            states: The state after the calls.
        """
        if not self._any:
            return
        kept = np.flatnonzero(self.traced[episode])
        if kept.size:
            own = episode[kept]
            self._add(
                own,
                made[own] + 1,
                calls.op[settled.call[kept]],
                settled.place[kept] % states.width,
                settled.depth[kept],
                settled.finished[kept],
                settled.answer[kept],
                settled.confidence[kept],
                settled.cost[kept],
                states.tokens[own],
            )

    def add_prunes(self, episode: Ints, branch: Ints, admitted: Bools, made: Ints, states: EpisodeStates) -> None:
        """Record pruned branches.

        Args:
            episode: The episode of each prune, shape (n,).
            branch: The pruned branches, shape (n,).
            admitted: Which prunes were admitted, shape (n,).
            made: Admitted calls of each episode.
            states: The state of the episodes.
        """
        if not self._any:
            return
        kept = np.flatnonzero(self.traced[episode] & admitted)
        if kept.size:
            own, which = episode[kept], branch[kept]
            n = len(own)
            depth = states.depth[own * states.width + which]
            self._add(
                own, made[own], np.full(n, Op.PRUNE), which, depth, np.zeros(n, bool),
                np.full(n, -1), np.full(n, np.nan), np.zeros(n, np.int64), states.tokens[own],
            )  # fmt: skip

    def add_end(
        self, episode: int, op: Op, code: int, made: Ints, states: EpisodeStates, why: str | None = None
    ) -> None:
        """Record the end of an episode.

        Args:
            episode: The episode.
            op: ANSWER or FAIL.
            code: The answer's code, −1 for none.
            made: Admitted calls of each episode.
            states: The state of the episodes.
            why: The reason of a failure.
        """
        self._add_one(episode, op, code, made, states, why)

    def add_note(self, episode: int, text: str, made: Ints, states: EpisodeStates) -> None:
        """Record a controller's note, unless the episode has `MAX_NOTES` already."""
        self._noted[episode] += 1
        if self._noted[episode] > MAX_NOTES:
            return
        self._add_one(episode, Op.NOTE, -1, made, states, text)

    def take(self, episodes: slice) -> pa.Table:
        """Return the rows of the episodes of a slice and stop tracing them; `question` counts within the slice."""
        if not self.traced[episodes].any():
            return SCHEMA.empty_table()
        episode = self._column("episode")
        rows = np.flatnonzero((episode >= episodes.start) & (episode < episodes.stop))
        rows = rows[rows >= self._first[episode[rows]]]
        # The rows of an episode become adjacent, in the order of its actions.
        rows = rows[np.argsort(episode[rows], kind="stable")]
        question = episode[rows] - episodes.start
        confidence = self._column("confidence")[rows]
        # Not made with the module: Arrow's conversion of a list imports pandas where it is installed.
        names = pa.array([op.name for op in sorted(Op)])
        table = pa.table(
            {
                "question": question,
                "call": self._column("call")[rows],
                "action": pa.DictionaryArray.from_arrays(np.searchsorted(_OPS, self._column("op")[rows]), names).cast(
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
        """Return all recorded values of a column."""
        return np.concatenate([np.zeros(0, _FIELDS[name]), *self._chunks[name]], dtype=_FIELDS[name])

    def _remarks(self, rows: npt.NDArray[np.intp]) -> pa.Array:
        """Return the notes of the given rows, null where there is none."""
        texts = np.full(len(rows), None, object)
        for at in np.flatnonzero(np.isin(rows, list(self._notes))).tolist():
            texts[at] = self._notes[int(rows[at])]
        return pa.array(texts, pa.string())

    def _add_one(self, episode: int, op: Op, code: int, made: Ints, states: EpisodeStates, text: str | None) -> None:
        """Record a row without a branch."""
        if not self.traced[episode]:
            return
        if text is not None:
            self._notes[self._rows] = text
        row = (episode, made[episode], op, -1, 0, False, code, np.nan, 0, states.tokens[episode])
        self._add(*(np.array([value]) for value in row))

    def _add(self, *columns: Any) -> None:
        """Append arrays of equal length, one for each column."""
        for (name, kind), column in zip(_FIELDS.items(), columns, strict=True):
            self._chunks[name].append(column.astype(kind, copy=False))
        self._rows += len(columns[0])

    def _clear(self) -> None:
        """Drop all rows."""
        self._chunks = {name: [] for name in _FIELDS}
        self._notes = {}
        self._rows = 0
