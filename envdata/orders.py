"""The order in which an episode's branches are opened."""

import random
from functools import lru_cache

import numpy as np

from envdata.gridarrays import Int32


@lru_cache(maxsize=4096)
def published_order(branches: int, seed: int) -> Int32:
    """A shuffle of `range(branches)` by a fresh `random.Random(seed)`, as in the published evaluation: (branches,).

    Repeat r of an evaluation uses the evaluation's seed + r, for every question alike.
    """
    order = list(range(branches))
    random.Random(seed).shuffle(order)
    shuffled = np.array(order, np.int32)
    shuffled.setflags(write=False)
    return shuffled
