"""Candidates, their curves, and complete rounds, read from a run's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from graph.analysis.curves import COLUMNS, Curve
from graph.analysis.frontier import Point
from graph.run.files import read_source, read_table, read_text
from graph.run.paths import RoundFolder, RunFolder, read_json


@dataclass(frozen=True)
class CandidateRecord:
    """A candidate and the results of its evaluation."""

    label: str
    round: int
    source: str
    """Python source of the controller."""
    notes: Mapping[str, Any]
    """The explorer's own notes on it (`Proposal.notes`)."""
    status: str
    """`ok`, or the label of the `sandbox.status.Status` it failed with."""
    why: str | None
    """Message of the failure."""
    screening: float | None
    """Objective in the screening, comparable among all candidates of a run; None if it failed before or in it."""
    score: float | None
    """Objective in the full evaluation; None if it was not evaluated in full, or failed."""
    idea: str = ""
    """The explorer's description of its idea."""
    points: Sequence[Point] = ()
    """Points of its sweep in the full evaluation; empty if `score` is None."""
    same_as: str | None = None
    """Label of an earlier candidate or a baseline that behaved identically in the screening."""
    by_grid: Sequence[Sequence[Point]] = ()
    """Points of the same sweep on each grid; empty with one grid, or if `score` is None."""
    screened: Sequence[Point] = ()
    """Points of its sweep in the screening; empty if it failed, or was evaluated in full."""
    role: str = ""
    """Its role in the round (`graph.run.roles.ROLES`); empty without one."""
    family: str = ""
    """Its mechanism family (`graph.critic.families`); empty if it failed or cannot be parsed."""


@dataclass(frozen=True)
class RoundRecord:
    """Record of a complete round."""

    number: int
    best: str | None
    """Label of its best candidate; None if none has a score."""
    candidates: list[dict[str, Any]]
    """As in `metrics.json`: label, status, why, screening, score, interval, over_baseline, gain, doc, idea, notes,
    points (β, accuracy, tokens), same_as, role, family, by_grid and screened (points)."""
    sources: Mapping[str, str]
    """Candidates' sources, by label."""
    critique: str
    """`critique.md`."""
    best_curve: Curve | None
    """Curve of the best candidate on the search set."""


def curves_of(folder: RoundFolder, labels: Sequence[str], grids: Sequence[str]) -> dict[str, Curve]:
    """Return curves of a round's full evaluation, by label.

    Args:
        folder: The round's folder.
        labels: Controllers; each must have episodes in `evaluation.parquet`.
        grids: Paths of the grids that were played.

    Raises:
        KeyError: A controller has no episodes.
        RunError: The file is damaged.
    """
    if not labels:
        return {}
    episodes: pa.Table = read_table(folder.evaluation, COLUMNS)
    return {label: Curve.from_episodes(episodes, label, grids) for label in labels}


def read_candidates(folder: RoundFolder, number: int) -> list[CandidateRecord]:
    """Return the candidates of the complete round `number`, in the order of proposal. Raises RunError."""
    return [
        CandidateRecord(
            label=entry["label"],
            round=number,
            source=source_of(folder, entry["label"]),
            notes=entry["notes"],
            status=entry["status"],
            why=entry["why"],
            screening=entry["screening"],
            score=entry["score"],
            idea=entry["idea"],
            points=[Point(entry["label"], *point) for point in entry["points"]],
            same_as=entry["same_as"],
            # Runs of earlier versions have no such points.
            by_grid=[[Point(entry["label"], *point) for point in points] for points in entry.get("by_grid", ())],
            screened=[Point(entry["label"], *point) for point in entry.get("screened", ())],
            # Runs of earlier versions have neither.
            role=entry.get("role", ""),
            family=entry.get("family", ""),
        )
        for entry in read_json(folder.metrics)["candidates"]
    ]


def read_round(folder: RunFolder, grids: Sequence[str], number: int) -> RoundRecord:
    """Return the record of a complete round.

    Args:
        folder: The run's folder.
        grids: Paths of the search grids.
        number: Round, from 1.

    Raises:
        RunError: A file is damaged.
        FileNotFoundError: The round is not complete.
    """
    own = folder.round(number)
    metrics = read_json(own.metrics)
    best = metrics["best"]
    return RoundRecord(
        number=number,
        best=best,
        candidates=metrics["candidates"],
        sources={each["label"]: source_of(own, each["label"]) for each in metrics["candidates"]},
        critique=read_text(own.critique),
        best_curve=curves_of(own, [best], grids)[best] if best is not None else None,
    )


def source_of(folder: RoundFolder, label: str) -> str:
    """Return a candidate's Python source. Raises RunError, FileNotFoundError."""
    return read_source(folder.source(label))


def read_frontier(path: Path) -> list[Point]:
    """Return the points of `frontier.parquet`, cheapest first. Raises RunError, FileNotFoundError."""
    rows = read_table(path).to_pylist()
    # Runs of earlier versions have no sequential tokens.
    return [
        Point(row["controller"], row["beta"], row["accuracy"], row["tokens"], row.get("sequential")) for row in rows
    ]
