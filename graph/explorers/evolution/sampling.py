"""Drawing recipes: distributions that move towards the elite (the cross-entropy method, with parents).

Every slot has probabilities, every gene a Beta distribution. Both are computed from the whole history each time, so
that nothing has to be remembered: the same history and the same random numbers give the same recipes.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from graph.explorers.evolution.knobs import Gene, Knob
from graph.explorers.evolution.mechanism import Mechanism
from graph.explorers.evolution.mechanisms import SLOTS, fits
from graph.explorers.evolution.render import Recipe

ELITE_SHARE = 0.2
ELITE_LEAST = 4
EXPLORING = 0.35
"""Weight of an even choice among mechanisms against the elite's."""
REPLACING = 0.12
"""Probability that a child takes a mechanism of its own in a slot."""
FIRST_SPREAD, LAST_SPREAD, MOST_SPREAD = 0.1, 0.04, 0.15
"""The least standard deviation of a gene, in its range of 0 … 1, at the start and at the end of a run; and the most."""
NEAR = 0.01
"""How far behind the best a parent may be, in the objective, to have children about a third as often."""


@dataclass(frozen=True)
class Scored:
    """A recipe that was played."""

    label: str
    recipe: Recipe
    score: float


def elite(scored: Sequence[Scored]) -> list[Scored]:
    """The best, best first; of equals the earlier."""
    ranked = sorted(scored, key=lambda each: -each.score)
    return ranked[: max(ELITE_LEAST, round(ELITE_SHARE * len(ranked)))]


@dataclass(frozen=True)
class Sampler:
    """Draws recipes around an elite; `progress` goes from 0 to 1 over a run and narrows the draws."""

    best: Sequence[Scored]
    progress: float

    def child(self, rng: random.Random) -> tuple[Recipe, Scored]:
        """A recipe near one of the elite, which is returned too."""
        weights = [math.exp((one.score - self.best[0].score) / NEAR) for one in self.best]
        (parent,) = rng.choices(self.best, weights)
        choices = self._choices(rng, parent.recipe.choices)
        genes = {knob.name: self._gene(rng, knob, parent.recipe) for knob in Recipe(choices).knobs()}
        return Recipe(choices, genes), parent

    def _choices(self, rng: random.Random, parent: Mapping[str, str]) -> dict[str, str]:
        chosen: dict[str, str] = {}
        for slot in SLOTS:
            possible = [each for each in SLOTS[slot] if fits(each, chosen)]
            names = [each.name for each in possible]
            if parent[slot] in names and rng.random() >= REPLACING:
                chosen[slot] = parent[slot]
            else:
                (pick,) = rng.choices(names, self._probabilities(possible))
                chosen[slot] = pick
        return chosen

    def _probabilities(self, possible: Sequence[Mechanism]) -> list[float]:
        counts = [sum(one.recipe.choices[each.slot] == each.name for one in self.best) for each in possible]
        total = sum(counts) or 1
        even = 1 / len(possible)
        return [EXPLORING * even + (1 - EXPLORING) * count / total for count in counts]

    def _gene(self, rng: random.Random, knob: Knob, parent: Recipe) -> Gene:
        """Around the parent's where it has the knob, else around the elite's, else anywhere."""
        known = [one.recipe.genes[knob.name] for one in self.best if knob.name in one.recipe.genes]
        if not known:
            return rng.random(), rng.random()
        least = FIRST_SPREAD + (LAST_SPREAD - FIRST_SPREAD) * self.progress
        gene = []
        for place in (0, 1):
            values = [each[place] for each in known]
            spread = min(MOST_SPREAD, max(least, pstdev(values)))
            middle = fmean(values)
            if knob.name in parent.genes:
                middle = 0.75 * parent.genes[knob.name][place] + 0.25 * middle
            # Half of a parent's genes stay as they are: a child that changes everything tells little.
            stays = knob.name in parent.genes and rng.random() < 0.5
            gene.append(parent.genes[knob.name][place] if stays else draw(rng, middle, spread))
        return gene[0], gene[1]


def anything(rng: random.Random) -> Recipe:
    """A recipe drawn evenly from the whole family."""
    chosen: dict[str, str] = {}
    for slot in SLOTS:
        chosen[slot] = rng.choice([each.name for each in SLOTS[slot] if fits(each, chosen)])
    return Recipe(chosen, {knob.name: (draw(rng, 0.3, 0.25), draw(rng, 0.7, 0.25)) for knob in Recipe(chosen).knobs()})


def draw(rng: random.Random, mean: float, spread: float) -> float:
    """From the Beta distribution with this mean and standard deviation, or as near to them as there is one."""
    mean = min(0.97, max(0.03, mean))
    concentration = max(2.0, mean * (1 - mean) / spread**2 - 1)
    return round(rng.betavariate(mean * concentration, (1 - mean) * concentration), 4)
