"""What the runs of a study show, as Arrow tables, made from their folders alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graph.history import History, load
from graph.settings import RunError
from graph.study.mechanisms import MECHANISMS, SIGNALS, mechanisms
from graph.study.plan import Plan
from graph.study.running import run_folder
from graph.study.shapes import Shape, read_shapes
from graph.tables import CALLS, CANDIDATES, ROUNDS
from sandbox.candidate import SHIPPED, shipped
from sandbox.results import write_table

WHICH = [
    pa.field("run", pa.string()),
    pa.field("explorer", pa.string()),
    pa.field("ablation", pa.string()),
    pa.field("seed", pa.int64()),
]
"""Which run a row is of, before all other columns."""

RUNS = pa.schema(
    [
        *WHICH,
        ("complete", pa.bool_()), ("why", pa.string()), ("rounds", pa.int32()), ("stopped", pa.string()),
        ("selected", pa.string()), ("gain", pa.float64()), ("search", pa.float64()), ("heldout", pa.float64()),
        ("heldout_over_baseline", pa.float64()), ("candidates", pa.int32()), ("failed", pa.int32()),
        ("duplicates", pa.int32()), ("calls", pa.int32()), ("tokens", pa.int64()), ("cost", pa.float64()),
        ("minutes", pa.float64()), ("episodes", pa.int64()),
    ]
)  # fmt: skip
"""One row a run that was planned. `gain` is the frontier's over the baselines', on the search set; `search` and
`heldout` the selected controller's objective, `heldout_over_baseline` its difference from the baseline that is best on
the search set. What was spent is summed over complete rounds; `cost` is null if unknown."""

ROUNDS_OF_ALL = pa.schema(
    [*WHICH, *ROUNDS, ("total_cost", pa.float64()), ("total_tokens", pa.int64()), ("total_minutes", pa.float64()),
     ("total_episodes", pa.int64())]
)  # fmt: skip
"""`graph.tables.ROUNDS` of every run, and what was spent up to each round's end."""

CANDIDATES_OF_ALL = pa.schema(
    [
        *WHICH, *CANDIDATES,
        ("nodes", pa.int32()), ("parent", pa.string()), ("parent_round", pa.int32()), ("moved", pa.float64()),
        ("moved_from_best", pa.float64()),
        *((name, pa.bool_()) for name in MECHANISMS), *((name, pa.bool_()) for name in SIGNALS),
    ]
)  # fmt: skip
"""`graph.tables.CANDIDATES` of every run, and what the code shows. `parent` is the source that was known before the
round and is nearest in syntax (`graph.study.shapes`), a baseline's (round 0) or a candidate's, of equals the best
scored; `moved` is the distance to it, `moved_from_best` that to the best scored candidate before the round. All are
null for a source that cannot be parsed. Mechanisms and signals are those of `graph.study.mechanisms`; mechanisms are
null for a candidate that was not played."""

CALLS_OF_ALL = pa.schema([*WHICH, *CALLS])
"""`graph.tables.CALLS` of every run."""


@dataclass(frozen=True)
class Findings:
    """The tables of a study."""

    runs: pa.Table
    rounds: pa.Table
    candidates: pa.Table
    calls: pa.Table
    objective: str

    def save(self, folder: Path) -> list[Path]:
        """Write each as `<name>.parquet`; returns the paths."""
        paths = []
        for name in ("runs", "rounds", "candidates", "calls"):
            paths.append(folder / f"{name}.parquet")
            write_table(getattr(self, name), paths[-1])
        return paths


def find(plan: Plan, folder: Path, stopped: Mapping[str, str]) -> Findings:
    """What there is by now; `stopped` says by folder why a run did not come to its end. Raises GridError."""
    rows: dict[str, list[dict[str, Any]]] = {"runs": [], "rounds": [], "candidates": [], "calls": []}
    for planned in plan.runs:
        which = {
            "run": planned.folder,
            "explorer": planned.arm.explorer,
            "ablation": planned.arm.ablation,
            "seed": planned.seed,
        }
        try:
            history = load(run_folder(folder, planned).path)
        except RunError as error:
            rows["runs"].append({**which, "complete": False, "why": stopped.get(planned.folder, str(error))})
            continue
        tables = history.tables
        rounds = _with_totals(tables.rounds.to_pylist())
        rows["runs"].append({**which, **_ended(history, rounds), "why": stopped.get(planned.folder)})
        rows["rounds"] += [{**which, **row} for row in rounds]
        rows["candidates"] += [{**which, **row} for row in _with_code(tables.candidates.to_pylist(), tables.episodes)]
        rows["calls"] += [{**which, **row} for row in tables.calls.to_pylist()]
    schemas = {"runs": RUNS, "rounds": ROUNDS_OF_ALL, "candidates": CANDIDATES_OF_ALL, "calls": CALLS_OF_ALL}
    made = {name: pa.Table.from_pylist(rows[name], schema) for name, schema in schemas.items()}
    return Findings(**made, objective=plan.runs[0].settings.objective)


def _ended(history: History, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    result, last = history.result, rounds[-1]
    said: dict[str, Any] = {
        "complete": result is not None,
        "rounds": last["round"],
        "gain": last["gain"],
        **{name: sum(row[name] for row in rounds) for name in ("candidates", "failed", "duplicates", "calls")},
        **{name: last[f"total_{name}"] for name in ("tokens", "cost", "minutes", "episodes")},
    }
    if result is not None:
        chosen = result["selected"]
        said |= {"stopped": result["stopped"], "selected": chosen, "search": _value(result["search"]["scores"][chosen])}
        if "heldout" in result:
            said["heldout"] = _value(result["heldout"]["scores"].get(chosen))
            said["heldout_over_baseline"] = _value(result["heldout"].get("over_best_baseline"))
    return said


def _value(interval: Mapping[str, float] | None) -> float | None:
    return None if interval is None else interval["value"]


def _with_totals(rounds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    totals: dict[str, Any] = dict.fromkeys(("cost", "tokens", "minutes", "episodes"), 0)
    made = []
    for row in rounds:
        for name, total in totals.items():
            totals[name] = None if total is None or row[name] is None else total + row[name]
        made.append({**row, **{f"total_{name}": total for name, total in totals.items()}})
    return made


@dataclass(frozen=True)
class _Known:
    """A source that a proposal may come from."""

    label: str
    round: int
    score: float
    shape: Shape


def _with_code(candidates: Sequence[dict[str, Any]], episodes: pa.Table) -> list[dict[str, Any]]:
    """The candidates of one run, with what their code shows and how it moved."""
    sources = [shipped(name).read_text(encoding="utf-8") for name in SHIPPED]
    shapes = read_shapes([*sources, *(row["source"] for row in candidates)])
    known = [_Known(name, 0, float("-inf"), shape) for name, shape in zip(SHIPPED, shapes, strict=False) if shape]
    acts = mechanisms(episodes.filter(pc.equal(episodes.column("stage"), "screening")))
    made = []
    joining: list[_Known] = []
    for row, shape in zip(candidates, shapes[len(SHIPPED) :], strict=True):
        if joining and joining[0].round < row["round"]:
            known, joining = known + joining, []
        said = {**row, **dict.fromkeys(MECHANISMS), **acts.get(row["label"], {})}
        if shape is not None:
            said |= {
                "nodes": shape.nodes,
                **{signal: signal in shape.signals for signal in SIGNALS},
                **_move(shape, known),
            }
            score = row["score"] if row["score"] is not None else float("-inf")
            joining.append(_Known(row["label"], row["round"], score, shape))
        made.append(said)
    return made


def _move(shape: Shape, known: Sequence[_Known]) -> dict[str, Any]:
    distances = [shape.distance(each.shape) for each in known]
    nearest = min(range(len(known)), key=lambda place: (distances[place], -known[place].score))
    scored = [place for place, each in enumerate(known) if each.score > float("-inf")]
    best = max(scored, key=lambda place: known[place].score) if scored else None
    return {
        "parent": known[nearest].label,
        "parent_round": known[nearest].round,
        "moved": distances[nearest],
        "moved_from_best": None if best is None else distances[best],
    }
