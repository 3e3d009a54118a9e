"""The family: what a controller may do about reading, voting, stopping, widening, pruning and giving up.

Each slot is filled by one mechanism; the loop that holds them together is in `graph.explorers.evolution.render`. What
the hand-made methods do is in here as special cases: self-consistency (`whole` without a stop), its adaptive and its
early-stopping form (`posterior`, `unanimous`), Parallel-Probe (`steps`, `everyone`, `stable`, `outvoted`), and most of
CMC (`steps`, `readers`, `posterior`, `staggered`, `outvoted`).
"""

from graph.explorers.evolution.deciding import GIVING_UP, PRUNING, STOPPING, WIDENING
from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.mechanism import Mechanism
from graph.explorers.evolution.reading import BALLOT, READING, WEIGHT

MAX_BRANCHES = Knob("max_branches", 1, 64, "log", True, "branches at most")

SLOTS: dict[str, tuple[Mechanism, ...]] = {
    "reading": READING,
    "ballot": BALLOT,
    "weight": WEIGHT,
    "stopping": STOPPING,
    "widening": WIDENING,
    "pruning": PRUNING,
    "giving_up": GIVING_UP,
}
"""By slot, in the order in which choices are made."""


def mechanism(slot: str, name: str) -> Mechanism:
    """The mechanism of that name; raises KeyError, naming the ones there are."""
    for found in SLOTS[slot]:
        if found.name == name:
            return found
    raise KeyError(f"{slot} has no mechanism {name!r}; there are {', '.join(each.name for each in SLOTS[slot])}")


def fits(candidate: Mechanism, chosen: dict[str, str]) -> bool:
    """Whether what a mechanism needs of the slots before its own is there."""
    return all(slot not in chosen or chosen[slot] in names for slot, names in candidate.needs)
