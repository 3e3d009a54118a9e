"""Arrow tables of a study, made from the folders of its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graph.critic.mechanisms import MECHANISMS, SIGNALS, mechanisms
from graph.critic.tree_distance import PqGramProfile, read_profiles
from graph.run.files import RunError
from graph.run.record import RunRecord, load
from graph.run.tables import CALLS, CANDIDATES, ROUNDS
from graph.study.plan import Plan
from graph.study.runner import run_folder
from sandbox.candidate import shipped
from sandbox.results import write_table

RUN_COLUMNS = [
    pa.field("run", pa.string()),
    pa.field("explorer", pa.string()),
    pa.field("ablation", pa.string()),
    pa.field("seed", pa.int64()),
]
"""Columns in front of each table that identify the run of a row."""

RUNS = pa.schema(
    [
        *RUN_COLUMNS,
        ("complete", pa.bool_()), ("why", pa.string()), ("rounds", pa.int32()), ("stopped", pa.string()),
        ("selected", pa.string()), ("gain", pa.float64()), ("search", pa.float64()), ("heldout", pa.float64()),
        ("heldout_over_baseline", pa.float64()), ("candidates", pa.int32()), ("failed", pa.int32()),
        ("duplicates", pa.int32()), ("sent_back", pa.int32()), ("calls", pa.int32()), ("tokens", pa.int64()),
        ("cost", pa.float64()), ("minutes", pa.float64()), ("episodes", pa.int64()),
    ]
)  # fmt: skip
"""One row a planned run. `gain` is the gain of the frontier over the baselines on the search set; `search` and
`heldout` are the selected controller's objective, `heldout_over_baseline` its difference from the baseline that is best
on the search set. Spending is summed over complete rounds; `cost` is null if unknown."""

ROUNDS_OF_ALL = pa.schema(
    [*RUN_COLUMNS, *ROUNDS, ("total_cost", pa.float64()), ("total_tokens", pa.int64()), ("total_minutes", pa.float64()),
     ("total_episodes", pa.int64())]
)  # fmt: skip
"""`graph.run.tables.ROUNDS` of every run, and the cumulative spending up to each round's end."""

CANDIDATES_OF_ALL = pa.schema(
    [
        *RUN_COLUMNS, *CANDIDATES,
        ("nodes", pa.int32()), ("parent", pa.string()), ("parent_round", pa.int32()), ("moved", pa.float64()),
        ("moved_from_best", pa.float64()),
        *((name, pa.bool_()) for name in MECHANISMS), *((name, pa.bool_()) for name in SIGNALS),
    ]
)  # fmt: skip
"""`graph.run.tables.CANDIDATES` of every run, and properties of the code. `parent` is the baseline (round 0) or earlier
candidate whose source is nearest in syntax (`graph.critic.tree_distance`), the best scored of equals; `moved` is the
distance to it, `moved_from_best` the distance to the best scored candidate before the round. All are null for a source
that cannot be parsed. Mechanisms and signals are those of `graph.critic.mechanisms`; mechanisms are null for a
candidate that was not played."""

CALLS_OF_ALL = pa.schema([*RUN_COLUMNS, *CALLS])
"""`graph.run.tables.CALLS` of every run."""


@dataclass(frozen=True)
class StudyTables:
    """Tables of a study."""

    runs: pa.Table
    """`RUNS`."""
    rounds: pa.Table
    """`ROUNDS_OF_ALL`."""
    candidates: pa.Table
    """`CANDIDATES_OF_ALL`."""
    calls: pa.Table
    """`CALLS_OF_ALL`."""
    objective: str
    """Objective of the study's runs."""

    def save(self, folder: Path) -> list[Path]:
        """Write each table as `<name>.parquet` in a folder; return the paths."""
        paths = []
        for name in ("runs", "rounds", "candidates", "calls"):
            paths.append(folder / f"{name}.parquet")
            write_table(getattr(self, name), paths[-1])
        return paths


def build_tables(plan: Plan, folder: Path, stopped: Mapping[str, str]) -> StudyTables:
    """Return the tables of a study, whose runs may be incomplete or missing.

    Args:
        plan: The study.
        folder: Folder of the study.
        stopped: Why a run did not complete, by its folder's name.

    Raises:
        GridError: A grid cannot be read.
    """
    rows: dict[str, list[dict[str, Any]]] = {"runs": [], "rounds": [], "candidates": [], "calls": []}
    for planned in plan.runs:
        run_columns = {
            "run": planned.folder,
            "explorer": planned.arm.explorer,
            "ablation": planned.arm.ablation,
            "seed": planned.seed,
        }
        try:
            record = load(run_folder(folder, planned).path)
        except RunError as error:
            rows["runs"].append({**run_columns, "complete": False, "why": stopped.get(planned.folder, str(error))})
            continue
        tables = record.tables
        rounds = _with_totals(tables.rounds.to_pylist())
        rows["runs"].append({**run_columns, **_result_columns(record, rounds), "why": stopped.get(planned.folder)})
        rows["rounds"] += [{**run_columns, **row} for row in rounds]
        candidates = _with_code(tables.candidates.to_pylist(), tables.episodes, record.settings.baselines)
        rows["candidates"] += [{**run_columns, **row} for row in candidates]
        rows["calls"] += [{**run_columns, **row} for row in tables.calls.to_pylist()]
    schemas = {"runs": RUNS, "rounds": ROUNDS_OF_ALL, "candidates": CANDIDATES_OF_ALL, "calls": CALLS_OF_ALL}
    built = {name: pa.Table.from_pylist(rows[name], schema) for name, schema in schemas.items()}
    return StudyTables(**built, objective=plan.runs[0].settings.objective)


def _result_columns(record: RunRecord, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    result, last = record.result, rounds[-1]
    values: dict[str, Any] = {
        "complete": result is not None,
        "rounds": last["round"],
        "gain": last["gain"],
        **{
            name: sum(row[name] for row in rounds)
            for name in ("candidates", "failed", "duplicates", "sent_back", "calls")
        },
        **{name: last[f"total_{name}"] for name in ("tokens", "cost", "minutes", "episodes")},
    }
    if result is not None:
        chosen = result["selected"]
        score = _value(result["search"]["scores"][chosen])
        values |= {"stopped": result["stopped"], "selected": chosen, "search": score}
        if "heldout" in result:
            values["heldout"] = _value(result["heldout"]["scores"].get(chosen))
            values["heldout_over_baseline"] = _value(result["heldout"].get("over_best_baseline"))
    return values


def _value(interval: Mapping[str, float] | None) -> float | None:
    return None if interval is None else interval["value"]


def _with_totals(rounds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    totals: dict[str, Any] = dict.fromkeys(("cost", "tokens", "minutes", "episodes"), 0)
    rows = []
    for row in rounds:
        for name, total in totals.items():
            totals[name] = None if total is None or row[name] is None else total + row[name]
        rows.append({**row, **{f"total_{name}": total for name, total in totals.items()}})
    return rows


@dataclass(frozen=True)
class _Source:
    """A source known before a round, from which its proposals may derive."""

    label: str
    round: int
    score: float
    profile: PqGramProfile


def _with_code(
    candidates: Sequence[dict[str, Any]], episodes: pa.Table, baselines: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the candidates of one run with the mechanisms, signals and distances of their code."""
    sources = [shipped(name).read_text(encoding="utf-8") for name in baselines]
    profiles = read_profiles([*sources, *(row["source"] for row in candidates)])
    of_baselines = zip(baselines, profiles, strict=False)
    known = [_Source(name, 0, float("-inf"), profile) for name, profile in of_baselines if profile]
    detected = mechanisms(episodes.filter(pc.equal(episodes.column("stage"), "screening")))
    rows = []
    joining: list[_Source] = []
    for row, profile in zip(candidates, profiles[len(baselines) :], strict=True):
        if joining and joining[0].round < row["round"]:
            known, joining = known + joining, []
        extended = {**row, **dict.fromkeys(MECHANISMS), **detected.get(row["label"], {})}
        if profile is not None:
            extended |= {
                "nodes": profile.nodes,
                **{signal: signal in profile.signals for signal in SIGNALS},
                **_distances(profile, known),
            }
            score = row["score"] if row["score"] is not None else float("-inf")
            joining.append(_Source(row["label"], row["round"], score, profile))
        rows.append(extended)
    return rows


def _distances(profile: PqGramProfile, known: Sequence[_Source]) -> dict[str, Any]:
    distances = [profile.distance(each.profile) for each in known]
    nearest = min(range(len(known)), key=lambda place: (distances[place], -known[place].score))
    scored = [place for place, each in enumerate(known) if each.score > float("-inf")]
    best = max(scored, key=lambda place: known[place].score) if scored else None
    return {
        "parent": known[nearest].label,
        "parent_round": known[nearest].round,
        "moved": distances[nearest],
        "moved_from_best": None if best is None else distances[best],
    }
