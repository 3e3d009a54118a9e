"""Where the search starts: the hand-made ideas, and a few that go beyond them, as recipes of the family.

Schedules are written as (value at β = 0, value at β = 1); one number stays the same.
"""

from collections.abc import Mapping

from graph.explorers.evolution.render import Recipe

Ends = float | tuple[float, float]

PLAIN = {
    "reading": "whole",
    "ballot": "readers",
    "weight": "equal",
    "stopping": "posterior",
    "widening": "batches",
    "pruning": "none",
    "giving_up": "never",
}


def recipe(choices: Mapping[str, str], **ends: Ends) -> Recipe:
    """The recipe with these mechanisms in place of the plain ones, and these schedules. Raises KeyError."""
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
        recipe({}, max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=1),
    ),
    (
        "beginnings of many branches instead of the whole of a few, where branches are short",
        recipe({"reading": "prefix"}, max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=1, depth=(5, 7)),
    ),
    (
        "shorter branches count more",
        recipe({"weight": "brief"}, max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=1, brevity=1),
    ),
    (
        "branches race: the vote may be clear before the slow ones end",
        recipe({"reading": "steps"}, max_branches=(2, 64), sure=(0.7, 0.97), first=(1, 8), burst=(1, 8)),
    ),
    (
        "hopeless questions are given up early",
        recipe(
            {"giving_up": "scattered"},
            max_branches=(2, 64), sure=(0.7, 0.97), first=1, burst=1, enough=(6, 40), share=(0.4, 0.2),
        ),
    ),
    (
        "beginnings of many branches instead of the whole of a few, where branches are long",
        recipe({"reading": "prefix"}, max_branches=(2, 64), sure=(0.7, 0.99), first=2, burst=2, depth=(10, 30)),
    ),
    (
        "branches vote before they end, weighed by how sure they were",
        recipe(
            {"reading": "steps", "ballot": "ripe", "weight": "sure"},
            max_branches=(1, 64), sure=(0.7, 0.99), first=(1, 4), burst=(1, 4), ripe=(6, 12), trust=1,
        ),
    ),
    (
        "branches are left where their answers have settled",
        recipe({"reading": "settled"}, max_branches=(1, 64), sure=(0.7, 0.97), first=1, burst=1, settle=(3, 12)),
    ),
    (
        "branches much longer than the others are given up",
        recipe(
            {"reading": "steps", "pruning": "laggards"},
            max_branches=(2, 64), sure=(0.7, 0.97), first=(1, 6), burst=(1, 6), stretch=(1.2, 2),
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
"""Ideas in the order in which a small first round takes them."""
