"""The facts on a run's search grids, over all of them and by grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from envdata.branch_orders import ORDERS
from envdata.grid import Grid
from graph.analysis.curves import Questions, question_ids
from graph.analysis.grid_facts.branches import branch_facts
from graph.analysis.grid_facts.figures import Figure, Key, Sums
from graph.analysis.grid_facts.question_branches import QuestionBranches
from graph.analysis.grid_facts.votes import vote_facts

ORDERS_A_QUESTION = 8
"""Branch orders in which each question is voted on; eight balanced ones read every branch equally often."""
MOST_QUESTIONS = 1_000
"""Questions that are looked at, about; of more, an even sample of each grid."""
MOST_VOTES = 2_000
"""Questions × orders, about: many questions get fewer orders, one at the least."""


@dataclass(frozen=True)
class GridFacts:
    """Facts on search grids. Grids are numbered in the order of the run's settings."""

    questions: tuple[int, ...]
    """Number of questions of each grid."""
    branches: tuple[int, ...]
    """Smallest number of branches of a question of each grid."""
    figures: Mapping[Key, Figure]
    """Facts by key (`branch_facts`, `vote_facts`)."""
    probed: bool = True
    """Whether branches can be probed on all grids."""


def grid_facts(grids: Sequence[Grid], *, order: str, seed: int, ceiling: int) -> GridFacts:
    """Return the facts on grids.

    Args:
        grids: The grids, at least one.
        order: Name of the branch order (`envdata.branch_orders.ORDERS`).
        seed: Seed of the branch orders.
        ceiling: Branches that an episode may open.
    """
    sums = Sums(Questions(tuple(grid.name for grid in grids), tuple(question_ids(grid) for grid in grids)))
    step = -(-sum(len(grid.questions) for grid in grids) // MOST_QUESTIONS)
    chosen = [range(0, len(grid.questions), step) for grid in grids]
    repeats = range(max(1, min(ORDERS_A_QUESTION, MOST_VOTES // sum(map(len, chosen)))))
    for place, grid in enumerate(grids):
        for number in chosen[place]:
            own = QuestionBranches.of(grid, number)
            orders = [ORDERS[order](len(own.tokens), seed, repeat)[:ceiling] for repeat in repeats]
            sums.add(place, number, branch_facts(own))
            sums.add(place, number, vote_facts(own, orders))
    return GridFacts(
        tuple(len(grid.questions) for grid in grids),
        tuple(int(grid.branches.min()) for grid in grids),
        sums.figures(),
        all(grid.probed for grid in grids),
    )
