"""The explorer `evolution`: recipes in, readable controllers out."""

import random
from collections.abc import Mapping, Sequence
from statistics import fmean

from graph.explorers.base import Brief, Critique, Evidence, Proposal, Tried
from graph.explorers.evolution.mechanisms import SLOTS
from graph.explorers.evolution.render import Recipe, render, title
from graph.explorers.evolution.sampling import Sampler, Scored, anything, elite
from graph.explorers.evolution.seeds import SEEDS
from graph.journal import Journal

FAMILY = "1"
"""Version of the family and of the way it is searched; another one writes other controllers for the same seed."""
TRIES = 30
"""How often a recipe is drawn again that was there before."""


class Evolution:
    """Needs no model. What it draws depends on the brief alone."""

    def identity(self) -> Mapping[str, str]:
        """The family's version."""
        return {"explorer": "evolution", "family": FAMILY}

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """The seeds first, then children of the elite, and now and then something from anywhere in the family.

        Without β every knob is a constant: drawn between the ends of its schedule at first, near its parent's later.
        """
        rng = random.Random(f"evolution/{brief.seed}/{brief.round}/{brief.attempt}")
        seen = {tried.source for tried in brief.history}
        proposals: list[Proposal] = []
        if brief.round == 1:
            for idea, seed in SEEDS[: brief.wanted]:
                recipe = seed.fixed(rng.random()) if brief.free_knobs else seed
                proposals.append(_proposal(recipe, f"A starting point: {idea}."))
                seen.add(proposals[-1].source)
        scored = _scored(brief.history)
        sampler = Sampler(elite(scored), (brief.round - 1) / max(1, brief.rounds - 1)) if scored else None
        while len(proposals) < brief.wanted:
            for _ in range(TRIES):
                if sampler is None or (len(proposals) == 0 and brief.round < brief.rounds):
                    recipe = anything(rng)
                    if brief.free_knobs:
                        recipe = recipe.fixed(rng.random())
                    proposal = _proposal(recipe, "Drawn from the whole family, to see what else there is.")
                else:
                    recipe, parent = sampler.child(rng)
                    if brief.free_knobs:
                        recipe = recipe.fixed(0.0)
                    proposal = _proposal(recipe, _difference(recipe, parent))
                if proposal.source not in seen:
                    break
            seen.add(proposal.source)
            proposals.append(proposal)
        return proposals

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """Which mechanisms did better in this round than the others of their slot."""
        scored = _scored(evidence.tried)
        if not scored:
            return Critique("No candidate of this round could be scored.")
        lines = ["Mean objective in the screening by mechanism, where the round tried several of a slot:", ""]
        for slot in SLOTS:
            by_name: dict[str, list[float]] = {}
            for each in scored:
                by_name.setdefault(each.recipe.choices[slot], []).append(each.score)
            if len(by_name) > 1:
                ranked = sorted(by_name.items(), key=lambda item: -fmean(item[1]))
                said = ", ".join(f"{name} {100 * fmean(values):.2f} ({len(values)})" for name, values in ranked)
                lines.append(f"- {slot}: {said}")
        best = elite(scored)[0]
        chosen = ", ".join(f"{slot} {name}" for slot, name in best.recipe.choices.items())
        lines += [
            "",
            f"The best of the screening was {best.label}: {chosen}.",
            "The next round draws around the best so far.",
        ]
        return Critique("\n".join(lines))


def _scored(history: Sequence[Tried]) -> list[Scored]:
    return [
        Scored(tried.label, Recipe.from_json(tried.notes["recipe"]), tried.screening)
        for tried in history
        if tried.screening is not None and tried.status == "ok" and "recipe" in tried.notes
    ]


def _proposal(recipe: Recipe, idea: str) -> Proposal:
    return Proposal(render(recipe), f"{title(recipe)}. {idea}", {"recipe": recipe.to_json()})


def _difference(recipe: Recipe, parent: Scored) -> str:
    changed = [
        f"{slot} {parent.recipe.choices[slot]} → {name}"
        for slot, name in recipe.choices.items()
        if parent.recipe.choices[slot] != name
    ]
    before = parent.recipe.genes
    moved = [
        knob.name
        for knob in recipe.knobs()
        if knob.name in before and knob.ends(before[knob.name]) != knob.ends(recipe.genes[knob.name])
    ]
    said = [f"new: {', '.join(changed)}"] if changed else []
    said += [f"moved: {', '.join(moved)}"] if moved else []
    return f"A child of {parent.label}; {'; '.join(said) or 'nothing changed'}."
