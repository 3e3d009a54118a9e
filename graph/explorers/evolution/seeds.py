"""Seeds of the search: recipes of published methods, and of some ideas beyond them.

Schedules are given as (value at β = 0, value at β = 1), or as one number for a constant.
"""

from collections.abc import Mapping

from graph.explorers.evolution.render import Recipe

Ends = float | tuple[float, float]

PLAIN = {
    "reading": "ends",
    "ballot": "readers",
    "length": "ignored",
    "signal": "ignored",
    "retention": "ignored",
    "stopping": "posterior",
    "widening": "batches",
    "pruning": "none",
    "giving_up": "never",
}


def recipe(choices: Mapping[str, str], **ends: Ends) -> Recipe:
    """Return the recipe with the given mechanisms instead of those in `PLAIN`, and the given schedules.

    Args:
        choices: Names of mechanisms by slot.
        **ends: Schedule of each knob of the recipe.

    Raises:
        KeyError: A mechanism is unknown, or a knob has no schedule.
    """
    chosen = {**PLAIN, **choices}
    empty = Recipe(chosen)
    genes = {}
    for knob in empty.knobs():
        wanted = ends[knob.name]
        genes[knob.name] = knob.gene(*wanted) if isinstance(wanted, tuple) else knob.gene(wanted, wanted)
    return Recipe(chosen, genes)


SEEDS: tuple[tuple[str, Recipe], ...] = (
    (
        "adaptive self-consistency whose patience grows with its width, so that hard questions get what easy ones save",
        recipe({"reading": "whole"}, max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=1),
    ),
    (
        "beginnings of many branches instead of the whole of a few",
        recipe({"reading": "prefix"}, max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=1, depth=(6, 20)),
    ),
    (
        "shorter branches count more",
        recipe({"length": "decay"}, max_branches=(1, 64), sure=(0.7, 0.97), first=(1, 4), burst=(1, 4), pace=16),
    ),
    (
        "answers that branches keep count more than those they leave",
        recipe({"retention": "kept"}, max_branches=(1, 64), sure=(0.7, 0.97), first=(1, 4), burst=(1, 4), loyalty=1),
    ),
    (
        "branches race in waves, and the slow rest of a wave is given up",
        recipe(
            {"widening": "waves", "pruning": "late"},
            max_branches=(1, 64), sure=(0.7, 0.97), first=(2, 8), growth=1, early=0.6,
        ),
    ),
    (
        "the lead is measured in standard deviations, and a smaller one will do as branches run out",
        recipe(
            {"stopping": "deviations"}, max_branches=(1, 64), margin=(0.9, 2), relief=0.5, first=(1, 4), burst=(1, 4),
        ),
    ),
    (
        "branches vote before they end, weighed by how sure they were",
        recipe(
            {"reading": "steps", "ballot": "ripe", "signal": "sure"},
            max_branches=(1, 64), sure=(0.7, 0.99), first=(1, 4), burst=(1, 4), ripe=(6, 12), trust=1,
        ),
    ),
    (
        "branches are left where their answers have settled",
        recipe({"reading": "settled"}, max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=1, settle=(3, 12)),
    ),
    (
        "hopeless questions are given up early",
        recipe(
            {"giving_up": "scattered"},
            max_branches=(2, 64), sure=(0.7, 0.97), first=(1, 4), burst=(1, 4), enough=(6, 40), share=(0.4, 0.2),
        ),
    ),
    (
        "beginnings of branches are asked once, and weighed by how sure they are",
        recipe(
            {"reading": "asked", "signal": "surest"},
            max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=(1, 4), depth=6, trust=1,
        ),
    ),
    (
        "as DeepConf: branches less confident than a warm-up are given up, and confidence weighs the votes",
        recipe(
            {"reading": "steps", "widening": "waves", "signal": "steady", "pruning": "hesitant"},
            max_branches=(1, 64), sure=(0.7, 0.97), first=(1, 8), growth=0.5, trust=1, doubt=0.2,
        ),
    ),
    (
        "as Parallel-Probe: all branches side by side, the outvoted ones given up, until the leader is stable",
        recipe(
            {"reading": "steps", "ballot": "everyone", "stopping": "stable", "pruning": "outvoted"},
            max_branches=(1, 64), first=(1, 64), burst=1, rounds=(3, 30), patience=7,
        ),
    ),
    (
        "as CMC: a few branches more every round while the vote is open, the outvoted ones given up",
        recipe(
            {"reading": "steps", "widening": "staggered", "pruning": "outvoted"},
            max_branches=(2, 64), sure=(0.7, 0.97), first=(1, 6), burst=1, patience=(4, 12),
        ),
    ),
)  # fmt: skip
"""Descriptions and recipes, in the order in which round 1 proposes them. Each adds one idea; the search combines."""
