"""Duplicate candidates: those that behave identically, whatever their sources.

Two candidates are duplicates if every episode that both played in the screening ended with the same answer, tokens,
branches and calls. This is stricter than equal scores and looser than equal code. All candidates of a run play the same
branch orders, so identical behaviour gives identical figures.
"""

import hashlib
from collections.abc import Mapping
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Place = tuple[str, float | None, int]
"""Path of the grid, β, repeat."""
Behaviour = Mapping[Place, str]
"""Hash of the results of all questions, by place; empty if some episode failed."""

_PLACE = ("grid", "beta", "repeat")
COUNTED = ("tokens", "sequential_tokens", "longest_branch", "branches", "pruned", "finished", "calls")
"""Columns of an episode that are compared, besides its answer."""


def behaviours(episodes: pa.Table) -> dict[str, Behaviour]:
    """Return the behaviour of each controller in a table with the schema `sandbox.results.EPISODES`, by label."""
    names = episodes.column("controller").cast(pa.string())
    return {label: _behaviour(episodes.filter(pc.equal(names, label))) for label in names.unique().to_pylist()}


def find_duplicate(behaviour: Behaviour, others: Mapping[str, Behaviour]) -> str | None:
    """Return the label of the first of `others` that equals `behaviour` wherever both were played, or None."""
    for label, other in others.items():
        shared = behaviour.keys() & other.keys()
        if _covers(shared, behaviour) and all(behaviour[place] == other[place] for place in shared):
            return label
    return None


def _covers(shared: set[Place], behaviour: Behaviour) -> bool:
    """Return whether the shared places contain every grid and β of the behaviour, with at least one repeat each."""
    wanted = {(grid, beta) for grid, beta, _ in behaviour}
    return bool(wanted) and {(grid, beta) for grid, beta, _ in shared} == wanted


def _behaviour(episodes: pa.Table) -> Behaviour:
    if set(episodes.column("status").unique().to_pylist()) != {"ok"}:
        return {}
    grids = episodes.column("grid").cast(pa.string())
    own = episodes.set_column(episodes.schema.get_field_index("grid"), "grid", grids)
    own = own.sort_by([(name, "ascending") for name in (*_PLACE, "question")])
    places = list(zip(*(own.column(name).to_pylist() for name in _PLACE), strict=True))
    answers = own.column("answer").to_pylist()
    counts = np.stack([own.column(name).to_numpy().astype(np.int64) for name in COUNTED], axis=1)
    hashes: dict[Place, str] = {}
    start = 0
    for place, rows in groupby(places):
        end = start + sum(1 for _ in rows)
        results = repr(answers[start:end]).encode() + counts[start:end].tobytes()
        hashes[place] = hashlib.sha256(results).hexdigest()
        start = end
    return hashes
