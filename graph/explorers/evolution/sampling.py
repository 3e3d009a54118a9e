"""Sampling of recipes: children of an elite, whose redrawn mechanisms and genes follow what was scored so far.

Mechanisms are drawn by their estimated effects on the objective, genes from Beta distributions around the parent and
the elite (the cross-entropy method). Both are computed from the whole history at each call, so no state is kept: the
same history and random numbers give the same recipes.
"""

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

import numpy as np

from graph.explorers.evolution.knobs import Gene, Knob
from graph.explorers.evolution.mechanism import Mechanism
from graph.explorers.evolution.mechanisms import SLOTS, possible
from graph.explorers.evolution.render import Recipe

ELITE_SHARE = 0.2
"""Share of the scored recipes that form the elite."""
ELITE_LEAST = 4
"""Recipes in the elite, at least."""
EXPLORING = 0.2
"""Weight of the uniform distribution over a slot's mechanisms, against that which favours good effects."""
REPLACING = 0.3
"""Probability that a child redraws the mechanism of a slot."""
FIRST_SPREAD, LAST_SPREAD, MOST_SPREAD = 0.1, 0.04, 0.15
"""Minimum standard deviation of a gene at the start and at the end of a run, and its maximum; genes are in 0 … 1."""
NEAR = 0.003
"""Difference in the objective that reduces the weight of a parent by a factor of e: the spread of an elite in gain."""
CLEAR = 0.002
"""Difference in effect that reduces the weight of a mechanism by a factor of e."""


@dataclass(frozen=True)
class Scored:
    """A recipe with its objective in the screening."""

    label: str
    recipe: Recipe
    score: float


def elite(scored: Sequence[Scored]) -> list[Scored]:
    """Return the elite, best first; the earlier of equals first."""
    ranked = sorted(scored, key=lambda each: -each.score)
    return ranked[: max(ELITE_LEAST, round(ELITE_SHARE * len(ranked)))]


def effects(scored: Sequence[Scored]) -> dict[tuple[str, str], float]:
    """Return the effect of each mechanism that was tried on the objective, by slot and name.

    Effects are those of a linear model without interactions: ridge regression, with a penalty of one observation a
    mechanism. So an idea is not lost because the one recipe that had it lacked the others.
    """
    tried = list(dict.fromkeys(choice for one in scored for choice in one.recipe.choices.items()))
    present = np.array([[one.recipe.choices[slot] == name for slot, name in tried] for one in scored], float)
    scores = np.array([one.score for one in scored])
    present -= present.mean(axis=0)
    fitted = np.linalg.solve(present.T @ present + np.eye(len(tried)), present.T @ (scores - scores.mean()))
    return dict(zip(tried, fitted.tolist(), strict=True))


class Sampler:
    """Draws recipes around an elite."""

    def __init__(
        self, scored: Sequence[Scored], progress: float, *, signals: Collection[str], probes: bool = True
    ) -> None:
        """Prepare draws.

        Args:
            scored: All recipes that were scored; at least one.
            progress: Progress of the run, 0 … 1; it narrows the draws.
            signals: Signals that the grids have.
            probes: Whether branches can be probed on them.
        """
        self._signals, self._probes = signals, probes
        self.best = elite(scored)
        self.progress = progress
        self.effects = effects(scored)

    def child(self, rng: random.Random) -> tuple[Recipe, Scored]:
        """Return a recipe near a member of the elite, and that member."""
        weights = [math.exp((one.score - self.best[0].score) / NEAR) for one in self.best]
        (parent,) = rng.choices(self.best, weights)
        choices = self._choices(rng, parent.recipe.choices)
        genes = {knob.name: self._gene(rng, knob, parent.recipe) for knob in Recipe(choices).knobs()}
        return Recipe(choices, genes), parent

    def _choices(self, rng: random.Random, parent: Mapping[str, str]) -> dict[str, str]:
        chosen: dict[str, str] = {}
        for slot in SLOTS:
            mechanisms = possible(slot, chosen, signals=self._signals, probes=self._probes)
            names = [each.name for each in mechanisms]
            if parent[slot] in names and rng.random() >= REPLACING:
                chosen[slot] = parent[slot]
            else:
                (pick,) = rng.choices(names, self._probabilities(mechanisms))
                chosen[slot] = pick
        return chosen

    def _probabilities(self, mechanisms: Sequence[Mechanism]) -> list[float]:
        known = [self.effects.get((each.slot, each.name), 0.0) for each in mechanisms]
        favour = [math.exp((effect - max(known)) / CLEAR) for effect in known]
        return [EXPLORING / len(mechanisms) + (1 - EXPLORING) * each / sum(favour) for each in favour]

    def _gene(self, rng: random.Random, knob: Knob, parent: Recipe) -> Gene:
        """Draw a gene around the parent's if it has the knob, else around the elite's, else anew."""
        known = [one.recipe.genes[knob.name] for one in self.best if knob.name in one.recipe.genes]
        if not known:
            return first_gene(rng, knob)
        least = FIRST_SPREAD + (LAST_SPREAD - FIRST_SPREAD) * self.progress
        gene = []
        for place in (0, 1):
            values = [each[place] for each in known]
            spread = min(MOST_SPREAD, max(least, pstdev(values)))
            middle = fmean(values)
            if knob.name in parent.genes:
                middle = 0.75 * parent.genes[knob.name][place] + 0.25 * middle
            # Half of a parent's genes are kept: a child that changes everything is no evidence on any change.
            stays = knob.name in parent.genes and rng.random() < 0.5
            gene.append(parent.genes[knob.name][place] if stays else draw(rng, middle, spread))
        return gene[0], 0.0 if knob.steady else gene[1]


def anything(rng: random.Random, *, signals: Collection[str] | None = None, probes: bool = True) -> Recipe:
    """Return a recipe with mechanisms drawn uniformly from the whole family, as far as grids have what they need."""
    chosen: dict[str, str] = {}
    for slot in SLOTS:
        chosen[slot] = rng.choice(possible(slot, chosen, signals=signals, probes=probes)).name
    return Recipe(chosen, {knob.name: first_gene(rng, knob) for knob in Recipe(chosen).knobs()})


def first_gene(rng: random.Random, knob: Knob) -> Gene:
    """Return a gene of a knob of which nothing is known: it tends to rise from a cheap start to a dear end."""
    if knob.steady:
        return draw(rng, 0.5, 0.25), 0.0
    return draw(rng, 0.3, 0.25), draw(rng, 0.7, 0.25)


def draw(rng: random.Random, mean: float, spread: float) -> float:
    """Draw from the Beta distribution with this mean and standard deviation, or the nearest that exists."""
    mean = min(0.97, max(0.03, mean))
    concentration = max(2.0, mean * (1 - mean) / spread**2 - 1)
    return round(rng.betavariate(mean * concentration, (1 - mean) * concentration), 4)
