"""A run as Arrow tables; the run may be complete or in progress.

`table.to_pandas()` converts a table for pandas and `polars.from_arrow(table)` for Polars; DuckDB queries it directly.

    from graph.run.record import load

    tables = load(Path("runs/first")).tables
    tables.candidates.to_pandas()
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from graph.analysis.curves import Curve
from graph.analysis.frontier import FRONTIER
from graph.analysis.objective import Scorer
from graph.run.candidates import RoundRecord, curves_of
from graph.run.explorer_shares import read_shares
from graph.run.files import read_table
from graph.run.knowledge import Knowledge, read_knowledge
from graph.run.paths import RoundFolder, RunFolder, read_json
from graph.run.transcript import SENT_BACK, Transcript
from sandbox.evaluate import TRACES
from sandbox.results import EPISODES

CANDIDATES = pa.schema(
    [
        ("round", pa.int32()), ("label", pa.string()), ("status", pa.string()), ("why", pa.string()),
        ("screening", pa.float64()), ("score", pa.float64()), ("score_low", pa.float64()), ("score_high", pa.float64()),
        ("over_baseline", pa.float64()), ("gain", pa.float64()), ("same_as", pa.string()), ("best", pa.bool_()),
        ("selected", pa.bool_()), ("knobs", pa.int32()), ("idea", pa.string()), ("doc", pa.string()),
        ("notes", pa.string()), ("source", pa.string()), ("role", pa.string()), ("family", pa.string()),
    ]
)  # fmt: skip
"""One row a candidate, in the order of proposal. `screening` and `score` are the objective in the screening and in the
full evaluation (null if not evaluated), `score_low` and `score_high` the 95 % interval of `score` over questions,
`over_baseline` the difference from the best baseline, `gain` the gain of the frontier; `best` marks the best of its
round, `selected` the run's selection; `notes` is JSON; `role` is one of `graph.run.roles.ROLES`, `family` its mechanism
family (`graph.critic.families`), both empty without one."""

KNOBS = pa.schema(
    [
        ("round", pa.int32()), ("label", pa.string()), ("beta", pa.float64()), ("knob", pa.string()),
        ("value", pa.float64()),
    ]
)  # fmt: skip
"""One row for each candidate, β and knob."""

ROUNDS = pa.schema(
    [
        ("round", pa.int32()), ("best", pa.string()), ("score", pa.float64()), ("frontier", pa.float64()),
        ("gain", pa.float64()), ("candidates", pa.int32()), ("failed", pa.int32()), ("duplicates", pa.int32()),
        ("sent_back", pa.int32()), ("calls", pa.int32()), ("tokens", pa.int64()), ("cost", pa.float64()),
        ("minutes", pa.float64()), ("episodes", pa.int64()),
    ]
)  # fmt: skip
"""One row a complete round; round 0 is the baselines. `score` is that of the round's best candidate, `frontier` the
objective of all points of this and earlier rounds together, `gain` the difference of `frontier` from round 0. `failed`
counts candidates that did not load or failed in an episode, `sent_back` proposals that acted as an earlier controller
does and went back to the explorer. `calls` to models, `tokens` in and out, `cost` in US
dollars (null: unknown), `minutes` and replayed `episodes` are those of this round alone."""

CALLS = pa.schema(
    [
        ("round", pa.int32()), ("node", pa.string()), ("at", pa.string()), ("id", pa.string()), ("model", pa.string()),
        ("outcome", pa.string()), ("why", pa.string()), ("input", pa.int64()), ("cached", pa.int64()),
        ("output", pa.int64()), ("thinking", pa.int64()), ("cost", pa.float64()), ("seconds", pa.float64()),
    ]
)  # fmt: skip
"""One row a request to a model. `outcome` is `reply`, `failed`, or `open` for a request that was not answered."""

SHARES = pa.schema(
    [
        ("round", pa.int32()), ("explorer", pa.string()), ("places", pa.int32()), ("candidates", pa.int32()),
        ("gain", pa.float64()), ("tokens", pa.int64()), ("cost", pa.float64()),
    ]
)  # fmt: skip
"""One row for each complete round and explorer (`graph.run.explorer_shares.ExplorerShare`): `places` that it was given,
`candidates` it proposed, `gain` of the frontier by the best of them, `tokens` and `cost` of the replies to its
proposals."""

STATEMENTS = pa.schema(
    [
        ("round", pa.int32()), ("number", pa.int32()), ("text", pa.string()), ("rounds", pa.list_(pa.int32())),
        ("figures", pa.string()), ("written", pa.int32()), ("holds", pa.bool_()), ("struck", pa.int32()),
        ("why", pa.string()),
    ]
)  # fmt: skip
"""One row for each complete round and statement of what is known as of it (`graph.run.knowledge.Statement`); `struck`
is null while it `holds`."""

DRAFTS = pa.schema(
    [
        ("round", pa.int32()), ("at", pa.string()), ("status", pa.string()), ("why", pa.string()),
        ("idea", pa.string()), ("source", pa.string()),
    ]
)  # fmt: skip
"""One row a proposal, including rejected ones."""


@dataclass(frozen=True)
class Tables:
    """Tables of one run, each built at its first access (`graph.run.record.RunRecord.tables`)."""

    folder: RunFolder
    betas: tuple[float, ...]
    grids: tuple[str, ...]
    """Paths of the search grids."""
    baselines: Mapping[str, Curve]
    """Curves of the baselines without failures on the search set, by name."""
    round_records: Sequence[RoundRecord]
    """Complete rounds, in order."""
    stored_frontier: pa.Table | None
    """Content of `frontier.parquet`."""
    result: Mapping[str, Any] | None
    """Content of `result.json`; None for a run in progress."""
    explorers: tuple[str, ...]
    """The explorers, as in `--explorer`."""
    scorer: Callable[[], Scorer]
    """Returns the objective over the search set; raises GridError, RunError."""

    @cached_property
    def candidates(self) -> pa.Table:
        """Table with the schema `CANDIDATES`."""
        result = self.result or {}
        selected = (result.get("round"), result.get("selected"))
        rows = []
        for record in self.round_records:
            proposals = self._proposals(record.number)
            knobs = {proposal["label"]: _knob_count(proposal["schedules"]) for proposal in proposals}
            for entry in record.candidates:
                interval, label = entry["interval"] or {}, entry["label"]
                rows.append(
                    {
                        **{name: entry[name] for name in ("label", "status", "why", "screening", "score", "same_as")},
                        "round": record.number,
                        "score_low": interval.get("low"),
                        "score_high": interval.get("high"),
                        "over_baseline": (entry["over_baseline"] or {}).get("value"),
                        "gain": (entry["gain"] or {}).get("value"),
                        "best": label == record.best,
                        "selected": (record.number, label) == selected,
                        "knobs": knobs.get(label),
                        "idea": entry["idea"],
                        "doc": entry["doc"],
                        "notes": json.dumps(entry["notes"], ensure_ascii=False),
                        "source": record.sources[label],
                        "role": entry.get("role", ""),
                        "family": entry.get("family", ""),
                    }
                )
        return pa.Table.from_pylist(rows, CANDIDATES)

    @cached_property
    def knobs(self) -> pa.Table:
        """Table with the schema `KNOBS`."""
        rows = [
            {"round": record.number, "label": proposal["label"], "beta": beta, "knob": knob, "value": float(value)}
            for record in self.round_records
            for proposal in self._proposals(record.number)
            for beta, schedule in zip(self.betas, proposal["schedules"], strict=False)
            for knob, value in schedule.items()
        ]
        return pa.Table.from_pylist(rows, KNOBS)

    @cached_property
    def rounds(self) -> pa.Table:
        """Table with the schema `ROUNDS`. Raises GridError or RunError if a search grid is missing or another one."""
        scorer = self.scorer()
        known: list[Curve] = list(self.baselines.values())
        start = frontier = scorer.score(*known)
        spent = read_json(self.folder.accounting)["rounds"] if self.folder.accounting.exists() else {}
        rows = [{"round": 0, "frontier": start, "gain": 0.0, **_empty(), **_spent(spent, 0, ("baselines",))}]
        for record in self.round_records:
            scored = [entry for entry in record.candidates if entry["score"] is not None]
            labels = [entry["label"] for entry in scored]
            known += curves_of(self.folder.round(record.number), labels, self.grids).values()
            # A cross-fitted score may fall by chance when a curve joins; the frontier of a search cannot.
            scores = [entry["score"] for entry in scored]
            frontier = max(frontier, scorer.score(*known), *scores)
            rows.append(
                {
                    "round": record.number,
                    "best": record.best,
                    "score": max(scores, default=None),
                    "frontier": frontier,
                    "gain": frontier - start,
                    "candidates": len(record.candidates),
                    "failed": sum(entry["status"] != "ok" for entry in record.candidates),
                    "duplicates": sum(entry["same_as"] is not None for entry in record.candidates),
                    "sent_back": sent_back(self.folder.round(record.number)),
                    **_spent(spent, record.number),
                }
            )
        return pa.Table.from_pylist(rows, ROUNDS)

    @cached_property
    def frontier(self) -> pa.Table:
        """Frontier after the latest complete round, with the schema `graph.analysis.frontier.FRONTIER`."""
        return FRONTIER.empty_table() if self.stored_frontier is None else self.stored_frontier

    @cached_property
    def episodes(self) -> pa.Table:
        """Stored episodes: columns `round` and `stage`, then those of `sandbox.results.EPISODES`.

        `stage` is `screening`, `full` (includes the repeats of the screening) or `heldout`, where `round` is null.
        """
        parts = [(0, "full", self.folder.round(0).evaluation), (None, "heldout", self.folder.heldout)]
        for record in self.round_records:
            own = self.folder.round(record.number)
            parts += [(record.number, "screening", own.screening), (record.number, "full", own.evaluation)]
        tables = [
            _prepend([("round", pa.int32(), number), ("stage", pa.string(), stage)], read_table(path, schema=EPISODES))
            for number, stage, path in parts
            if path.exists()
        ]
        return pa.concat_tables(tables).unify_dictionaries()

    @cached_property
    def traces(self) -> pa.Table:
        """Stored sample of traces, one row an action and branch: `round`, then `sandbox.evaluate.TRACES`."""
        tables = [
            _prepend([("round", pa.int32(), record.number)], read_table(own.traces))
            for record in self.round_records
            if (own := self.folder.round(record.number)).traces.exists()
        ]
        empty = _prepend([("round", pa.int32(), 0)], TRACES.empty_table())
        return pa.concat_tables([empty, *tables]).unify_dictionaries()

    @cached_property
    def calls(self) -> pa.Table:
        """Table with the schema `CALLS`, sorted by time; includes calls of the round in progress."""
        return pa.Table.from_pylist(list(_calls(self._events())), CALLS)

    @cached_property
    def shares(self) -> pa.Table:
        """Table with the schema `SHARES`."""
        shares = read_shares(self.folder, self.explorers, len(self.round_records) + 1)
        return pa.Table.from_pylist([asdict(share) for share in shares], SHARES)

    @cached_property
    def statements(self) -> pa.Table:
        """Table with the schema `STATEMENTS`."""
        rows = [
            {**asdict(each), "round": record.number, "holds": each.struck is None}
            for record in self.round_records
            for each in (read_knowledge(self.folder.round(record.number).knowledge) or Knowledge()).statements
        ]
        return pa.Table.from_pylist(rows, STATEMENTS)

    @cached_property
    def drafts(self) -> pa.Table:
        """Table with the schema `DRAFTS`; includes drafts of the round in progress."""
        rows = [
            {**{name: event.get(name) for name in DRAFTS.names}, "round": _number(event["of"])}
            for event in self._events()
            if event["event"] == "draft"
        ]
        return pa.Table.from_pylist(rows, DRAFTS)

    def _proposals(self, number: int) -> list[dict[str, Any]]:
        proposals: list[dict[str, Any]] = read_json(self.folder.round(number).proposals)
        return proposals

    def _events(self) -> list[dict[str, Any]]:
        return Transcript(self.folder.round(0).transcript).of_all_rounds()


def sent_back(folder: RoundFolder) -> int:
    """Return the number of proposals of a round that were sent back because they act as an earlier controller does."""
    # A kill may have left the event twice; the last one holds.
    events = [event for event in Transcript(folder.transcript).events() if event["event"] == SENT_BACK]
    count = events[-1].get("count") if events else 0
    return count if isinstance(count, int) else 0


def _knob_count(schedules: Sequence[Mapping[str, float]]) -> int | None:
    return len(schedules[0]) if schedules else None


def _empty() -> dict[str, int]:
    return {"candidates": 0, "failed": 0, "duplicates": 0, "sent_back": 0}


def _spent(rounds: Mapping[str, Any], number: int, nodes: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the spending of a round, or of some of its nodes, from the rounds in `accounting.json`."""
    own = rounds.get(f"round-{number:03d}", {"nodes": {}})
    parts = [entry for node, entry in own["nodes"].items() if nodes is None or node in nodes]
    costs = [part["cost"] for part in parts]
    return {
        "calls": sum(part["calls"] for part in parts),
        "tokens": sum(part["tokens"]["input"] + part["tokens"]["output"] for part in parts),
        "cost": None if any(isinstance(cost, str) for cost in costs) else float(sum(costs)),
        "minutes": float(sum(part["minutes"] for part in parts)),
        "episodes": sum(part["episodes"] for part in parts),
    }


def _calls(events: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a row for each `call` event with its reply. Of several open calls with one id, the latest is answered."""
    rows: list[dict[str, Any]] = []
    waiting: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        kind = event["event"]
        if kind == "call":
            row = {name: event.get(name) for name in ("at", "id", "model")}
            row |= {"node": event["id"].partition("/")[0], "round": _number(event["of"]), "outcome": "open"}
            rows.append(row)
            waiting.setdefault(event["id"], []).append(row)
        elif kind in ("reply", "failed") and waiting.get(event["id"]):
            row = waiting[event["id"]].pop()
            row |= {"outcome": kind, "why": event.get("why")}
            if kind == "reply":
                usage = event["usage"]
                row |= {name: usage.get(name) for name in ("input", "cached", "output", "thinking")}
                row |= {"cost": event.get("cost"), "seconds": event.get("seconds")}
    yield from rows


def _number(folder: str) -> int:
    return int(folder.rpartition("-")[2])


def _prepend(columns: Sequence[tuple[str, pa.DataType, Any]], table: pa.Table) -> pa.Table:
    """Return the table with constant columns (name, type, value) in front."""
    for place, (name, kind, value) in enumerate(columns):
        table = table.add_column(place, pa.field(name, kind), pa.array([value] * table.num_rows, kind))
    return table


TABLES = ("candidates", "knobs", "rounds", "frontier", "episodes", "traces", "calls", "drafts", "shares", "statements")
"""Names of a run's tables."""
