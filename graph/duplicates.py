"""Candidates that act the same, whatever their sources look like.

Two candidates are the same if every episode that both played in the screening ended alike: answer, tokens, branches,
calls. That is more than equal scores and less than equal code; the branch orders are the same for all candidates of a
run, so that equal behaviour gives equal figures to the token.
"""

import hashlib
from collections.abc import Mapping
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Place = tuple[str, float | None, int]
"""Grid, β, repeat."""
Behaviour = Mapping[Place, str]
"""A fingerprint of how all questions went, by place; empty if some episode failed."""

_PLACE = ("grid", "beta", "repeat")
COUNTED = ("tokens", "sequential_tokens", "longest_branch", "branches", "pruned", "finished", "calls")
"""What is compared of an episode, besides its answer."""


def behaviours(episodes: pa.Table) -> dict[str, Behaviour]:
    """How each controller of a table of `sandbox.results.EPISODES` acts."""
    names = episodes.column("controller").cast(pa.string())
    return {label: _behaviour(episodes.filter(pc.equal(names, label))) for label in names.unique().to_pylist()}


def same_as(behaviour: Behaviour, others: Mapping[str, Behaviour]) -> str | None:
    """The first of the others that acts the same wherever both were played; None if there is none."""
    for label, other in others.items():
        shared = behaviour.keys() & other.keys()
        if _covers(shared, behaviour) and all(behaviour[place] == other[place] for place in shared):
            return label
    return None


def _covers(shared: set[Place], behaviour: Behaviour) -> bool:
    """Whether the shared places are all the grids and β there are, with one repeat each at least."""
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
    found: dict[Place, str] = {}
    start = 0
    for place, rows in groupby(places):
        end = start + sum(1 for _ in rows)
        said = repr(answers[start:end]).encode() + counts[start:end].tobytes()
        found[place] = hashlib.sha256(said).hexdigest()
        start = end
    return found
