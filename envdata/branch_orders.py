"""Orders in which episodes open their branches.

An evaluation's repeat r plays every question once, in a branch order that r and the evaluation's seed decide; questions
with the same number of branches share it. In both kinds of order each order, taken alone, is a uniformly random
permutation: means over repeats estimate the same figures. The kinds differ in how repeats depend on one another.

- `published`: every repeat is shuffled by itself, as in the published evaluation.
- `balanced`: repeats divide the branches evenly, so that chance gives no branch more weight than others. Repeats 2k and
  2k + 1 are complementary: the first half of one holds the branches of the second half of the other. Within eight
  repeats each branch is exactly once in each eighth of the order, and within as many repeats as there are branches once
  in every position. Exact where the number of branches is a multiple of 8, approximate otherwise.
"""

import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]

EIGHT = 8
"""Repeats of one batch, and stretches of one order: each branch is once in every repeat and every stretch."""


@lru_cache(maxsize=4096)
def published_order(branches: int, seed: int, repeat: int) -> Int32:
    """Return `range(branches)` shuffled by a fresh `random.Random(seed + repeat)`, as in the published evaluation.

    Args:
        branches: The number of branches of the question.
        seed: The evaluation's seed.
        repeat: The index of the repeat, from 0.

    Returns:
        Branch indices, shape (branches,), read-only.
    """
    order = list(range(branches))
    random.Random(seed + repeat).shuffle(order)
    shuffled = np.array(order, np.int32)
    shuffled.setflags(write=False)
    return shuffled


def balanced_order(branches: int, seed: int, repeat: int) -> Int32:
    """Return the order of one repeat of a balanced design; arguments and shape as of `published_order`."""
    batch, row = divmod(repeat, EIGHT)
    order: Int32 = _balanced_batch(branches, seed, batch)[row]
    return order


ORDERS: Mapping[str, Callable[[int, int, int], Int32]] = MappingProxyType(
    {"published": published_order, "balanced": balanced_order}
)
"""Kinds of order by name: functions of the number of branches, the evaluation's seed and the repeat."""


@lru_cache(maxsize=1024)
def _balanced_batch(branches: int, seed: int, batch: int) -> Int32:
    """Return the orders of repeats 8·batch … 8·batch + 7, shape (8, branches).

    Branches form G random groups of eight. In a batch each group is a random Latin square, repeats × stretches, so
    every branch of it is once in each repeat and once in each stretch. A stretch holds one branch of each group; from
    batch to batch their places move on by one, and after G batches, 8·G repeats, all branches were in all places.
    """
    groups = -(-branches // EIGHT)
    cycle, turn = divmod(batch, groups)
    once = random.Random(f"balanced order: seed {seed}, cycle {cycle}")
    # Numbers from `branches` up fill the last group and are removed at the end.
    members = np.array(_shuffled(once, groups * EIGHT)).reshape(groups, EIGHT)
    places = np.array([_shuffled(once, groups) for _ in range(EIGHT)])
    here = random.Random(f"balanced order: seed {seed}, cycle {cycle}, batch {turn}")
    squares = np.stack([own[_latin_square(here)] for own in members])
    rows = np.concatenate([squares[np.roll(places[stretch], -turn), :, stretch].T for stretch in range(EIGHT)], axis=1)
    orders = np.stack([row[row < branches] for row in rows]).astype(np.int32)
    orders.setflags(write=False)
    return orders


def _latin_square(rng: random.Random) -> npt.NDArray[np.int64]:
    """Return a random 8 × 8 Latin square whose rows 2k and 2k + 1 have complementary halves.

    It is a cyclic 4 × 4 square whose symbols are pairs. One member of a pair goes to row 2k in stretch s and the other
    to row 2k + 1 in stretch s; in stretch s + 4 they are exchanged.
    """
    rows, stretches = _shuffled(rng, EIGHT // 2), _shuffled(rng, EIGHT // 2)
    members = _shuffled(rng, EIGHT)
    square = np.empty((EIGHT, EIGHT), np.int64)
    for k, row in enumerate(rows):
        for s, stretch in enumerate(stretches):
            couple = 2 * ((row + stretch) % 4)
            one, other = members[couple], members[couple + 1]
            if rng.random() < 0.5:
                one, other = other, one
            square[2 * k : 2 * k + 2, s] = one, other
            square[2 * k : 2 * k + 2, s + 4] = other, one
    return square


def _shuffled(rng: random.Random, n: int) -> list[int]:
    """Return `range(n)` in a random order."""
    order = list(range(n))
    rng.shuffle(order)
    return order
