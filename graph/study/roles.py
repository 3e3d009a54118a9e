"""Roles of candidates in a study: which role the gains came from, with intervals over runs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from graph.run.roles import ROLES
from graph.study.comparison import mean_over_runs

NONE = "no role"
"""Name of the row of candidates without a role."""


def roles_table(candidates: Sequence[Mapping[str, Any]], rounds: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a row for each role that candidates have; empty if none has one.

    `ahead` is the objective in the screening less the mean of the candidates of its round, averaged over a role's
    candidates of a run; `share` is the share of the gain of a run's frontier after its first round that rounds brought
    whose best candidate has the role. Both are means over runs with Student's 95 % interval, `interval` in
    `graph.study.comparison.mean_over_runs`. The first round is left out: all of its candidates are new.

    Args:
        candidates: Rows of `graph.study.tables.CANDIDATES_OF_ALL` of one explorer and ablation.
        rounds: Rows of `graph.study.tables.ROUNDS_OF_ALL` in order, by run.
    """
    later = [row for row in candidates if row["round"] > 1]
    if not any(row["role"] for row in later):
        return []
    rows = []
    for role in (*ROLES, ""):
        own = [row for row in later if row["role"] == role]
        if own:
            rows.append(
                {
                    "role": role or NONE,
                    "count": len(own),
                    "failed": sum(row["status"] != "ok" for row in own) / len(own),
                    "duplicates": sum(row["same_as"] is not None for row in own) / len(own),
                    "finalists": sum(row["score"] is not None for row in own) / len(own),
                    "ahead": _over_runs(_ahead(later, role)),
                    "share": _over_runs(_shares(later, rounds, role)),
                    "selected": sum(row["selected"] for row in own),
                }
            )
    return rows


def _ahead(candidates: Sequence[Mapping[str, Any]], role: str) -> dict[str, float]:
    """Return the mean difference of a role's candidates from the mean of their rounds, by run."""
    by_round: dict[tuple[str, int], list[float]] = {}
    scored = [row for row in candidates if row["screening"] is not None]
    for row in scored:
        by_round.setdefault((row["run"], row["round"]), []).append(row["screening"])
    differences: dict[str, list[float]] = {}
    for row in scored:
        if row["role"] == role:
            mean = float(np.mean(by_round[row["run"], row["round"]]))
            differences.setdefault(row["run"], []).append(row["screening"] - mean)
    return {run: float(np.mean(values)) for run, values in differences.items()}


def _shares(
    candidates: Sequence[Mapping[str, Any]], rounds: Mapping[str, Sequence[Mapping[str, Any]]], role: str
) -> dict[str, float]:
    """Return the share of each run's gain after its first round that came from a role; runs without gain are absent."""
    best = {(row["run"], row["round"]): row["role"] for row in candidates if row["best"]}
    shares = {}
    for run, own in rounds.items():
        steps = {row["round"]: row["gain"] - before["gain"] for before, row in pairwise(own) if row["round"] > 1}
        total = sum(steps.values())
        if total > 0:
            shares[run] = sum(step for number, step in steps.items() if best.get((run, number)) == role) / total
    return shares


def _over_runs(by_run: Mapping[str, float]) -> dict[str, Any] | None:
    """Return the mean over runs with its interval, whose ends are None with too few runs; None without any run."""
    if not by_run:
        return None
    values = list(by_run.values())
    interval = mean_over_runs(values)
    ends = {"low": None, "high": None} if interval is None else {"low": interval.low, "high": interval.high}
    return {"value": float(np.mean(values)), **ends}
