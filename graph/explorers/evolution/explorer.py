"""Explorer `evolution`: draws recipes of mechanisms and knobs, and renders them as controllers."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from graph.explorers.base import (
    Assignment,
    Brief,
    CandidateRecord,
    Critique,
    Evidence,
    Explorer,
    ExplorerError,
    Proposal,
)
from graph.explorers.context import ExplorerContext
from graph.explorers.evolution.mechanisms import SLOTS
from graph.explorers.evolution.render import Recipe, render, title
from graph.explorers.evolution.sampling import Sampler, Scored, anything, elite
from graph.explorers.evolution.seeds import SEEDS
from graph.explorers.evolution.variation import crossover, simplified, unseen
from graph.run.transcript import Transcript

FAMILY = "2"
"""Version of the family and of its search; another version writes other controllers for the same seed."""
TRIES = 30
"""Draws for one proposal, at most, until its source is new."""


class Evolution(Explorer):
    """Explorer without a model. Its proposals depend on the brief only."""

    def identity(self) -> Mapping[str, str]:
        """Return the name of the explorer and the version of its family."""
        return {"explorer": "evolution", "family": FAMILY}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return the seeds in round 1, then what the candidates' roles ask for.

        Without roles these are children of the elite and, once a round, a draw from the whole family. Without β every
        knob is a constant: first drawn between the ends of its schedule, later near its parent's value.
        """
        rng = random.Random(f"evolution/{brief.seed}/{brief.round}/{brief.attempt}")
        seen = {tried.source for tried in brief.history} | {each.source for each in brief.rejected}
        roles = [*brief.roles, *[None] * (brief.wanted - len(brief.roles))]
        proposals: list[Proposal] = []
        if brief.round == 1 and brief.attempt == 0:
            usable = [
                (idea, seed)
                for idea, seed in SEEDS
                if seed.signals <= set(brief.signals) and (brief.probes or not seed.needs_probes)
            ]
            for idea, seed in usable[: brief.wanted]:
                recipe = seed.fixed(rng.random()) if brief.free_knobs else seed
                proposals.append(_proposal(recipe, f"A starting point: {idea}."))
                seen.add(proposals[-1].source)
        scored = _scored(brief.history)
        progress = (brief.round - 1) / max(1, brief.rounds - 1)
        sampler = Sampler(scored, progress, signals=brief.signals, probes=brief.probes) if scored else None
        while len(proposals) < brief.wanted:
            assignment = roles[len(proposals)]
            for _ in range(TRIES):
                if sampler is not None and assignment is not None:
                    proposal = _for_role(rng, brief, assignment, scored, sampler)
                elif sampler is None or (len(proposals) == 0 and brief.round < brief.rounds):
                    recipe = anything(rng, signals=brief.signals, probes=brief.probes)
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
        return [replace(each, assignment=role) for each, role in zip(proposals, roles, strict=True)]

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return the mean objective of each mechanism in this round, and the recipe of the best candidate."""
        scored = _scored(evidence.candidates)
        if not scored:
            return Critique("No candidate of this round could be scored.")
        lines = ["Mean objective in the screening by mechanism, where the round tried several of a slot:", ""]
        for slot in SLOTS:
            by_name: dict[str, list[float]] = {}
            for each in scored:
                by_name.setdefault(each.recipe.choices[slot], []).append(each.score)
            if len(by_name) > 1:
                ranked = sorted(by_name.items(), key=lambda item: -fmean(item[1]))
                means = ", ".join(f"{name} {100 * fmean(values):.2f} ({len(values)})" for name, values in ranked)
                lines.append(f"- {slot}: {means}")
        best = elite(scored)[0]
        chosen = ", ".join(f"{slot} {name}" for slot, name in best.recipe.choices.items())
        lines += [
            "",
            f"The best of the screening was {best.label}: {chosen}.",
            "The next round draws around the best so far.",
        ]
        return Critique("\n".join(lines))


def make_evolution(argument: str, context: ExplorerContext) -> Explorer:
    """Return the explorer `evolution`. Raises ExplorerError for an argument."""
    if argument:
        raise ExplorerError(f"evolution:{argument}: the explorer evolution takes no argument")
    return Evolution()


def _scored(history: Sequence[CandidateRecord]) -> list[Scored]:
    return [
        Scored(record.label, Recipe.from_json(record.notes["recipe"]), record.screening)
        for record in history
        if record.screening is not None
        and record.status == "ok"
        and "recipe" in record.notes
        and record.notes["recipe"]["choices"].keys() == SLOTS.keys()
    ]


def _for_role(
    rng: random.Random, brief: Brief, assignment: Assignment, scored: Sequence[Scored], sampler: Sampler
) -> Proposal:
    """Return a proposal for a role; parents that are no recipes are replaced by members of the elite."""
    named = [each for label in assignment.parents for each in scored if each.label == label]
    best = [*named, *(each for each in sampler.best if each not in named)]
    match assignment.role:
        case "new":
            recipe = unseen(rng, [each.recipe.choices for each in scored], brief.signals, probes=brief.probes)
            idea = "Mechanisms that nobody combined, drawn from the whole family."
        case "combine" if len(best) > 1:
            recipe = crossover(rng, best[0].recipe, best[1].recipe, probes=brief.probes)
            idea = f"A child of {best[0].label} and {best[1].label}."
        case "worst" if len(named) > 1:
            recipe = crossover(rng, named[0].recipe, named[1].recipe, probes=brief.probes)
            idea = f"A child of {named[0].label} and {named[1].label}, the best on the worst grid."
        case "cheaper":
            recipe = simplified(rng, best[0].recipe, probes=brief.probes)
            idea = f"A simpler {best[0].label}; {_changes(recipe, best[0])}."
        case _:
            recipe, parent = sampler.child(rng)
            idea = _difference(recipe, parent)
    if brief.free_knobs:
        recipe = recipe.fixed(rng.random() if assignment.role == "new" else 0.0)
    return _proposal(recipe, idea)


def _proposal(recipe: Recipe, idea: str) -> Proposal:
    return Proposal(render(recipe), f"{title(recipe)}. {idea}", {"recipe": recipe.to_json()})


def _difference(recipe: Recipe, parent: Scored) -> str:
    return f"A child of {parent.label}; {_changes(recipe, parent)}."


def _changes(recipe: Recipe, parent: Scored) -> str:
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
    changes = [f"new: {', '.join(changed)}"] if changed else []
    changes += [f"moved: {', '.join(moved)}"] if moved else []
    return "; ".join(changes) or "nothing changed"
