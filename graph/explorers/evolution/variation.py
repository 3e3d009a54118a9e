"""Recipes for roles: the crossover of two recipes, a recipe of mechanisms that nobody combined, and a simpler one."""

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

from graph.explorers.evolution.mechanisms import SLOTS, fits, mechanism, possible
from graph.explorers.evolution.render import Recipe
from graph.explorers.evolution.sampling import anything, first_gene

TRIES = 30
"""Draws of mechanisms, at most, until nobody has combined them."""
CHEAPER = 0.15
"""Part of a knob's range by which it moves towards spending less, where no mechanism can be made simpler."""


def crossover(rng: random.Random, first: Recipe, second: Recipe, *, probes: bool = True) -> Recipe:
    """Return a recipe with each slot's mechanism from one of two recipes, and its knobs from there too.

    Where neither mechanism goes with those chosen so far, any that does is taken, with knobs drawn anew; without
    `probes` none that uses answers of unfinished branches.
    """
    chosen: dict[str, str] = {}
    for slot in SLOTS:
        names = [each.name for each in possible(slot, chosen, probes=probes)]
        inherited = [one.choices[slot] for one in (first, second) if one.choices[slot] in names]
        chosen[slot] = rng.choice(inherited or names)
    genes = {}
    for knob in Recipe(chosen).knobs():
        known = [one.genes[knob.name] for one in (first, second) if knob.name in one.genes]
        genes[knob.name] = rng.choice(known) if known else first_gene(rng, knob)
    return Recipe(chosen, genes)


def unseen(
    rng: random.Random, tried: Collection[Mapping[str, str]], signals: Collection[str], *, probes: bool = True
) -> Recipe:
    """Return a recipe drawn from the whole family whose mechanisms are none of those `tried`, if draws find one."""
    for _ in range(TRIES):
        recipe = anything(rng, signals=signals, probes=probes)
        if recipe.choices not in tried:
            break
    return recipe


def simplified(rng: random.Random, recipe: Recipe, *, probes: bool = True) -> Recipe:
    """Return a recipe with one mechanism replaced by one with fewer knobs; where none can be, with a cheaper knob."""
    simpler = [
        {**recipe.choices, slot: each.name}
        for slot, among in SLOTS.items()
        for each in among
        if (probes or not each.needs_probes)
        and len(each.knobs) < len(mechanism(slot, recipe.choices[slot]).knobs)
        and _goes_together({**recipe.choices, slot: each.name})
    ]
    if simpler:
        chosen = rng.choice(simpler)
        genes = {knob.name: recipe.genes.get(knob.name) or first_gene(rng, knob) for knob in Recipe(chosen).knobs()}
        return Recipe(chosen, genes)
    name = rng.choice(sorted(recipe.genes))
    start, share = recipe.genes[name]
    return replace(recipe, genes={**recipe.genes, name: (max(0.0, start - CHEAPER), max(0.0, share - CHEAPER))})


def _goes_together(chosen: dict[str, str]) -> bool:
    return all(fits(mechanism(slot, name), chosen) for slot, name in chosen.items())
