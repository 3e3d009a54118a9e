"""The orders in which episodes open their branches.

An evaluation's repeat r plays every question once, under an order that r and the evaluation's seed decide; questions
with the same number of branches share it. In both kinds of order each one, taken alone, is a uniformly random
permutation: means over repeats estimate the same figures. The kinds differ in how repeats depend on one another.

- `published`: every repeat is shuffled by itself, as in the published evaluation.
- `balanced`: repeats share the work out, so that no branch is looked at more than others by chance. Within every eight
  repeats each branch serves exactly once in each eighth of the order (so eight repeats that read a quarter of the
  branches read each of them twice); within as many repeats as there are branches it serves once in every position.
  Exact where the number of branches is a multiple of 8, near it otherwise.
"""

import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from envdata.gridarrays import Int32

EIGHT = 8
"""Repeats of one batch, and stretches of one order: each branch is once in every repeat and every stretch."""


@lru_cache(maxsize=4096)
def published_order(branches: int, seed: int, repeat: int) -> Int32:
    """`range(branches)` shuffled by a fresh `random.Random(seed + repeat)`, as in the published evaluation."""
    order = list(range(branches))
    random.Random(seed + repeat).shuffle(order)
    shuffled = np.array(order, np.int32)
    shuffled.setflags(write=False)
    return shuffled


def balanced_order(branches: int, seed: int, repeat: int) -> Int32:
    """The order of one repeat of a balanced design; shape (branches,)."""
    batch, row = divmod(repeat, EIGHT)
    order: Int32 = _balanced_batch(branches, seed, batch)[row]
    return order


ORDERS: Mapping[str, Callable[[int, int, int], Int32]] = MappingProxyType(
    {"published": published_order, "balanced": balanced_order}
)
"""Kinds of order by name: functions of the number of branches, the evaluation's seed and the repeat."""


@lru_cache(maxsize=1024)
def _balanced_batch(branches: int, seed: int, batch: int) -> Int32:
    """The orders of repeats 8·batch … 8·batch + 7, shape (8, branches).

    Branches stand in G random groups of eight. In a batch each group is a random Latin square, repeats × stretches: so
    every branch of it is once in each repeat and once in each stretch. A stretch holds one branch of each group; from
    batch to batch their places move on by one, and after G batches, 8·G repeats, all branches were in all places.
    """
    groups = -(-branches // EIGHT)
    cycle, turn = divmod(batch, groups)
    once = random.Random(f"balanced order: seed {seed}, cycle {cycle}")
    # Numbers from `branches` up are none; they make the last group whole and are left out at the end.
    members = np.array(_shuffled(once, groups * EIGHT)).reshape(groups, EIGHT)
    places = np.array([_shuffled(once, groups) for _ in range(EIGHT)])
    here = random.Random(f"balanced order: seed {seed}, cycle {cycle}, batch {turn}")
    by_group: npt.NDArray[np.int64] = np.empty((groups, EIGHT, EIGHT), np.int64)
    for group in range(groups):
        repeats, stretches, symbols = (np.array(_shuffled(here, EIGHT)) for _ in range(3))
        by_group[group] = members[group][symbols[(repeats[:, None] + stretches[None, :]) % EIGHT]]
    rows = np.concatenate([by_group[np.roll(places[stretch], -turn), :, stretch].T for stretch in range(EIGHT)], axis=1)
    orders = np.stack([row[row < branches] for row in rows]).astype(np.int32)
    orders.setflags(write=False)
    return orders


def _shuffled(rng: random.Random, n: int) -> list[int]:
    order = list(range(n))
    rng.shuffle(order)
    return order
