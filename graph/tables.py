"""A run as Arrow tables, complete or not.

For pandas by `table.to_pandas()`, for Polars by `polars.from_arrow(table)`; DuckDB reads them as they are.

    from graph.history import load

    tables = load(Path("runs/first")).tables
    tables.candidates.to_pandas()
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graph.context import curves_of
from graph.curves import Curve, together
from graph.folder import RunFolder, read_json
from graph.journal import Journal
from graph.objective import Objective, Yardstick
from sandbox.evaluate import TRACES
from sandbox.results import EPISODES

if TYPE_CHECKING:
    from graph.history import History

CANDIDATES = pa.schema(
    [
        ("round", pa.int32()), ("label", pa.string()), ("status", pa.string()), ("why", pa.string()),
        ("screening", pa.float64()), ("score", pa.float64()), ("score_low", pa.float64()), ("score_high", pa.float64()),
        ("over_baseline", pa.float64()), ("gain", pa.float64()), ("same_as", pa.string()), ("best", pa.bool_()),
        ("selected", pa.bool_()), ("knobs", pa.int32()), ("idea", pa.string()), ("doc", pa.string()),
        ("notes", pa.string()), ("source", pa.string()),
    ]
)  # fmt: skip
"""One row a candidate, in the order of proposal. `screening` and `score` are the objective (null where it did not come
to that), `score_low` and `score_high` its 95 % interval over questions; `over_baseline` is the difference from the best
baseline, `gain` what the frontier won; `best` of its round, `selected` by the run; `notes` is JSON."""

KNOBS = pa.schema(
    [
        ("round", pa.int32()), ("label", pa.string()), ("beta", pa.float64()), ("knob", pa.string()),
        ("value", pa.float64()),
    ]
)  # fmt: skip
"""One row a (candidate, β, knob)."""

ROUNDS = pa.schema(
    [
        ("round", pa.int32()), ("best", pa.string()), ("score", pa.float64()), ("frontier", pa.float64()),
        ("gain", pa.float64()), ("candidates", pa.int32()), ("failed", pa.int32()), ("duplicates", pa.int32()),
        ("calls", pa.int32()), ("tokens", pa.int64()), ("cost", pa.float64()), ("minutes", pa.float64()),
        ("episodes", pa.int64()),
    ]
)  # fmt: skip
"""One row a complete round; round 0 is the baselines. `score` is that of the round's best candidate, `frontier` the
objective of all points of this and earlier rounds together, `gain` what that is above the baselines' together. `failed`
did not load or failed in an episode. `calls` to models, `tokens` in and out, `cost` in US dollars (null: unknown),
`minutes` and `episodes` replayed are those of this round alone."""

CALLS = pa.schema(
    [
        ("round", pa.int32()), ("node", pa.string()), ("at", pa.string()), ("id", pa.string()), ("model", pa.string()),
        ("outcome", pa.string()), ("why", pa.string()), ("input", pa.int64()), ("cached", pa.int64()),
        ("output", pa.int64()), ("thinking", pa.int64()), ("cost", pa.float64()), ("seconds", pa.float64()),
    ]
)  # fmt: skip
"""One row a call that was sent to a model. `outcome` is `reply`, `failed`, or `open`: no answer was received."""

DRAFTS = pa.schema(
    [
        ("round", pa.int32()), ("at", pa.string()), ("status", pa.string()), ("why", pa.string()),
        ("idea", pa.string()), ("source", pa.string()),
    ]
)  # fmt: skip
"""One row a proposal as it was given, those that had to be mended included."""


@dataclass(frozen=True)
class Tables:
    """The tables of one run; each is made when it is asked for."""

    history: "History"

    @property
    def folder(self) -> RunFolder:
        """Where the run is."""
        return self.history.folder

    @cached_property
    def candidates(self) -> pa.Table:
        """`CANDIDATES`."""
        result = self.history.result or {}
        selected = (result.get("round"), result.get("selected"))
        rows = []
        for record in self.history.rounds:
            knobs = {said["label"]: _count(said["schedules"]) for said in self._proposals(record.number)}
            for said in record.candidates:
                interval, label = said["interval"] or {}, said["label"]
                rows.append(
                    {
                        **{name: said[name] for name in ("label", "status", "why", "screening", "score", "same_as")},
                        "round": record.number,
                        "score_low": interval.get("low"),
                        "score_high": interval.get("high"),
                        "over_baseline": (said["over_baseline"] or {}).get("value"),
                        "gain": (said["gain"] or {}).get("value"),
                        "best": label == record.best,
                        "selected": (record.number, label) == selected,
                        "knobs": knobs.get(label),
                        "idea": said["idea"],
                        "doc": said["doc"],
                        "notes": json.dumps(said["notes"], ensure_ascii=False),
                        "source": record.sources[label],
                    }
                )
        return pa.Table.from_pylist(rows, CANDIDATES)

    @cached_property
    def knobs(self) -> pa.Table:
        """`KNOBS`."""
        betas = self.history.settings.betas
        rows = [
            {"round": record.number, "label": said["label"], "beta": beta, "knob": knob, "value": float(value)}
            for record in self.history.rounds
            for said in self._proposals(record.number)
            for beta, schedule in zip(betas, said["schedules"], strict=False)
            for knob, value in schedule.items()
        ]
        return pa.Table.from_pylist(rows, KNOBS)

    @cached_property
    def rounds(self) -> pa.Table:
        """`ROUNDS`. Raises GridError if a grid has gone."""
        history = self.history
        yardstick = Yardstick(
            Objective.parse(history.settings.objective), history.low, history.high, history.search_questions()
        )
        known: list[Curve] = list(history.baselines.values())
        start = yardstick.score(together(known))
        spent = read_json(self.folder.accounting)["rounds"] if self.folder.accounting.exists() else {}
        rows = [{"round": 0, "frontier": start, "gain": 0.0, **_empty(), **_spent(spent, 0, ("baselines",))}]
        for record in history.rounds:
            scored = [said for said in record.candidates if said["score"] is not None]
            labels = [said["label"] for said in scored]
            known += curves_of(self.folder.round(record.number), labels, history.settings.grids).values()
            frontier = yardstick.score(together(known))
            rows.append(
                {
                    "round": record.number,
                    "best": record.best,
                    "score": max((said["score"] for said in scored), default=None),
                    "frontier": frontier,
                    "gain": frontier - start,
                    "candidates": len(record.candidates),
                    "failed": sum(said["status"] != "ok" for said in record.candidates),
                    "duplicates": sum(said["same_as"] is not None for said in record.candidates),
                    **_spent(spent, record.number),
                }
            )
        return pa.Table.from_pylist(rows, ROUNDS)

    @cached_property
    def frontier(self) -> pa.Table:
        """`graph.critic.frontier.FRONTIER`, after the latest complete round."""
        from graph.critic.frontier import FRONTIER

        return FRONTIER.empty_table() if self.history.frontier is None else self.history.frontier

    @cached_property
    def episodes(self) -> pa.Table:
        """Every episode that was kept: `sandbox.results.EPISODES` after `round` and `stage`.

        `stage` is `screening`, `full` (of which the screening's repeats are a part) or `heldout`; the latter's `round`
        is null.
        """
        parts = [(0, "full", self.folder.round(0).evaluation), (None, "heldout", self.folder.heldout)]
        for record in self.history.rounds:
            own = self.folder.round(record.number)
            parts += [(record.number, "screening", own.screening), (record.number, "full", own.evaluation)]
        kept = [
            _after([("round", pa.int32(), number), ("stage", pa.string(), stage)], pq.read_table(path, schema=EPISODES))
            for number, stage, path in parts
            if path.exists()
        ]
        return pa.concat_tables(kept).unify_dictionaries()

    @cached_property
    def traces(self) -> pa.Table:
        """The stored sample of traces, action by action: `sandbox.evaluate.TRACES` after `round`."""
        kept = [
            _after([("round", pa.int32(), record.number)], pq.read_table(own.traces))
            for record in self.history.rounds
            if (own := self.folder.round(record.number)).traces.exists()
        ]
        nothing = _after([("round", pa.int32(), 0)], TRACES.empty_table())
        return pa.concat_tables([nothing, *kept]).unify_dictionaries()

    @cached_property
    def calls(self) -> pa.Table:
        """`CALLS`, of unfinished rounds too, in the order of their times."""
        return pa.Table.from_pylist(list(_calls(self._events())), CALLS)

    @cached_property
    def drafts(self) -> pa.Table:
        """`DRAFTS`, of unfinished rounds too."""
        rows = [
            {**{name: event.get(name) for name in DRAFTS.names}, "round": _number(event["of"])}
            for event in self._events()
            if event["event"] == "draft"
        ]
        return pa.Table.from_pylist(rows, DRAFTS)

    def _proposals(self, number: int) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = read_json(self.folder.round(number).proposals)
        return said

    def _events(self) -> list[dict[str, Any]]:
        return Journal(self.folder.round(0).transcript).of_all_rounds()


def _count(schedules: Sequence[Mapping[str, float]]) -> int | None:
    return len(schedules[0]) if schedules else None


def _empty() -> dict[str, int]:
    return {"candidates": 0, "failed": 0, "duplicates": 0}


def _spent(rounds: Mapping[str, Any], number: int, nodes: Sequence[str] | None = None) -> dict[str, Any]:
    """What a round took, from `accounting.json`; of some of its nodes alone, if they are named."""
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
    """A row for each `call`, with what answered it. Of several with one id the latest open one is answered first."""
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


def _after(columns: Sequence[tuple[str, pa.DataType, Any]], table: pa.Table) -> pa.Table:
    """The table, behind columns that have one value each."""
    for place, (name, kind, value) in enumerate(columns):
        table = table.add_column(place, pa.field(name, kind), pa.array([value] * table.num_rows, kind))
    return table


TABLES = ("candidates", "knobs", "rounds", "frontier", "episodes", "traces", "calls", "drafts")
"""The tables that a run has, by their names."""
