"""The family of controllers: its slots, each with the mechanisms that can fill it.

`graph.explorers.evolution.render` writes the loop around them. The published methods are special cases:
self-consistency (`whole` without a stop), its adaptive and early-stopping variants (`posterior`, `unanimous`),
Parallel-Probe (`steps`, `everyone`, `stable`, `outvoted`), and most of CMC (`steps`, `readers`, `posterior`,
`staggered`, `outvoted`).
"""

from collections.abc import Collection, Mapping

from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.mechanism import Mechanism
from graph.explorers.evolution.reading import PRUNING, READING, WIDENING
from graph.explorers.evolution.stopping import GIVING_UP, STOPPING
from graph.explorers.evolution.voting import BALLOT, LENGTH, RETENTION, SIGNAL

MAX_BRANCHES = Knob("max_branches", 1, 64, "log", True, "branches at most")

SLOTS: dict[str, tuple[Mechanism, ...]] = {
    "reading": READING,
    "ballot": BALLOT,
    "length": LENGTH,
    "signal": SIGNAL,
    "retention": RETENTION,
    "stopping": STOPPING,
    "widening": WIDENING,
    "pruning": PRUNING,
    "giving_up": GIVING_UP,
}
"""Mechanisms by slot; recipes choose in this order."""


def mechanism(slot: str, name: str) -> Mechanism:
    """Return the mechanism of a slot by name. Raises KeyError that lists the slot's mechanisms."""
    for each in SLOTS[slot]:
        if each.name == name:
            return each
    raise KeyError(f"{slot} has no mechanism {name!r}; there are {', '.join(each.name for each in SLOTS[slot])}")


def possible(
    slot: str, chosen: Mapping[str, str], *, signals: Collection[str] | None = None, probes: bool = True
) -> list[Mechanism]:
    """Return the mechanisms that can fill a slot.

    Args:
        slot: The slot.
        chosen: Names of the mechanisms chosen so far, by slot.
        signals: Signals that the grids have; None: all.
        probes: Whether branches can be probed.
    """
    return [
        each
        for each in SLOTS[slot]
        if (signals is None or not each.signal or each.signal in signals)
        and (probes or not each.needs_probes)
        and fits(each, chosen)
    ]


def fits(candidate: Mechanism, chosen: Mapping[str, str]) -> bool:
    """Return whether the mechanisms chosen so far, by slot, satisfy what `candidate` needs."""
    return all(slot not in chosen or chosen[slot] in names for slot, names in candidate.needs)
