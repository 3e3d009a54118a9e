"""Rendering of recipes (mechanisms and knobs) as readable source files of controllers."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.explorers.evolution.knobs import Gene, Knob
from graph.explorers.evolution.mechanism import Mechanism
from graph.explorers.evolution.mechanisms import MAX_BRANCHES, SLOTS, mechanism
from graph.explorers.evolution.reading import PROBE
from graph.explorers.evolution.voting import UNWEIGHTED, WEIGHTED


@dataclass(frozen=True)
class Recipe:
    """Mechanisms and genes that define a controller of the family."""

    choices: dict[str, str]
    """Name of the mechanism in each slot."""
    genes: dict[str, Gene] = field(default_factory=dict)
    """Genes of exactly the knobs of the chosen mechanisms, by name."""

    def mechanisms(self) -> list[Mechanism]:
        """Return the chosen mechanisms, in the order of the slots."""
        return [mechanism(slot, self.choices[slot]) for slot in SLOTS]

    @property
    def signals(self) -> set[str]:
        """Signals of the grids that its mechanisms need."""
        return {each.signal for each in self.mechanisms() if each.signal}

    @property
    def probes(self) -> bool:
        """Whether its calls probe, since one of its mechanisms uses answers of unfinished branches."""
        return any(each.probes for each in self.mechanisms())

    @property
    def needs_probes(self) -> bool:
        """Whether one of its mechanisms does nothing where branches cannot be probed."""
        return any(each.needs_probes for each in self.mechanisms())

    def knobs(self) -> list[Knob]:
        """Return all knobs of the chosen mechanisms, and `max_branches`."""
        return [MAX_BRANCHES, *(knob for each in self.mechanisms() for knob in each.knobs)]

    def fixed(self, along: float) -> "Recipe":
        """Return the recipe with constant knobs, at the point `along` (0 … 1) between the ends of their schedules."""
        genes = {name: (start + (1 - start) * share * along, 0.0) for name, (start, share) in self.genes.items()}
        return Recipe(self.choices, genes)

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain lists and dictionaries."""
        return {"choices": dict(self.choices), "genes": {name: list(gene) for name, gene in self.genes.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Recipe":
        """Return the recipe that `to_json` wrote."""
        return cls(dict(value["choices"]), {name: (float(a), float(b)) for name, (a, b) in value["genes"].items()})


def render(recipe: Recipe) -> str:
    """Return the source file of a recipe's controller."""
    parts = recipe.mechanisms()
    chosen = recipe.choices
    ideas = [part.idea for part in parts if part.idea]
    names = sorted({"Answer", "Branch", "BudgetExceeded", "Controller", "Episode", "majority"} | _imports(parts))
    lines = [
        f'"""{title(recipe)}.',
        "",
        "What it does with a question:",
        *(_bullet(idea) for idea in ideas),
        '"""',
        "",
        *(["import math", ""] if any("math" in part.uses for part in parts) else []),
        f"from autotts import {', '.join(names)}",
        "",
        "",
        f"class {class_name(recipe)}(Controller):",
        f'    """{title(recipe)}."""',
        "",
        "    @staticmethod",
        "    def schedule(beta: float) -> dict[str, float]:",
        f'        """Every knob; {_movement(recipe)}."""',
        "        return {",
        *(
            f'            "{knob.name}": {knob.expression(recipe.genes[knob.name])},  # {knob.doc}'
            for knob in recipe.knobs()
        ),
        "        }",
        "",
        *_solve(parts, chosen),
        *_widen(parts, chosen),
        *_is_clear(parts),
    ]
    methods = [*(part.methods for part in parts if part.methods), _tally(parts), _STANDING]
    source = "\n".join(lines) + "\n" + "".join(methods)
    return source.replace(PROBE, "" if recipe.probes else ", probe=False")


def title(recipe: Recipe) -> str:
    """Return a title of a recipe: a sentence without its full stop."""
    chosen = recipe.choices
    reading = {
        "whole": "Whole branches",
        "steps": "Branches side by side",
        "ends": "Branches as they end",
        "settled": "Branches until they settle",
        "prefix": "Beginnings of branches",
        "asked": "Beginnings of branches, asked once",
    }[chosen["reading"]]
    opening = {"batches": "in batches", "waves": "in waves", "staggered": "a few more every round"}[chosen["widening"]]
    until = {
        "never": "all of them counted",
        "posterior": "until the leader is surely ahead",
        "lead": "until the leader is votes ahead",
        "deviations": "until the lead is clear",
        "unanimous": "until the latest votes agree",
        "stable": "until the leader stays the same",
    }[chosen["stopping"]]
    words = {
        "length": "short",
        "signal": {"sure": "sure", "surest": "sure", "steady": "confident"}.get(chosen["signal"]),
        "retention": "kept",
    }
    preferred = " and ".join(word for slot, word in words.items() if word and chosen[slot] != "ignored")
    weighing = [f"{preferred} answers preferred"] if preferred else []
    return ", ".join([reading, opening, *weighing, until])


def class_name(recipe: Recipe) -> str:
    """Return a class name made of the recipe's reading, stopping and widening."""
    chosen = recipe.choices
    words = [chosen["reading"], chosen["stopping"] if chosen["stopping"] != "never" else "full", chosen["widening"]]
    return "".join(word.capitalize() for word in words)


def _movement(recipe: Recipe) -> str:
    ends = [knob.ends(recipe.genes[knob.name]) for knob in recipe.knobs()]
    constant = all(start == end for start, end in ends)
    return "the same at every β" if constant else "each moves one way only, towards spending more"


def _imports(parts: list[Mechanism]) -> set[str]:
    return {name for part in parts for name in part.uses if name != "math"}


def _bullet(idea: str) -> str:
    return textwrap.fill(idea, 116, initial_indent="- ", subsequent_indent="  ")


def _solve(parts: list[Mechanism], chosen: dict[str, str]) -> list[str]:
    by_slot = {part.slot: part for part in parts}
    state = [line for part in parts if part.state for line in part.state.split("\n")]
    staggered = chosen["widening"] == "staggered"
    pruning = by_slot["pruning"].hook
    return [
        "    def solve(self, episode: Episode) -> Answer | None:",
        '        """Open, read and vote, until the vote is clear or nothing is left to read."""',
        *(f"        {line}" for line in state),
        "        try:",
        "            while not self.is_clear(episode):",
        "                unread = [b for b in episode.branches if not (b.pruned or self.is_read(b))]",
        *(["                opened = self.widen(episode)"] if staggered else []),
        "                if unread:",
        f"                    {by_slot['reading'].hook}",
        *([f"                    {pruning}"] if pruning else []),
        f"                elif not {'opened' if staggered else 'self.widen(episode)'}:",
        "                    break",
        "        except BudgetExceeded:",
        '            episode.note("the budget is spent")',
        "        leader = self.standing(episode)[0]",
        "        return majority(branch.answer for branch in episode.branches) if leader is None else leader",
        "",
    ]


def _widen(parts: list[Mechanism], chosen: dict[str, str]) -> list[str]:
    (later,) = (part.hook for part in parts if part.slot == "widening")
    opened = "read(size)" if chosen["reading"] == "whole" else f"branch(size{PROBE})"
    return [
        "    def widen(self, episode: Episode) -> int:",
        '        """Open more branches if there is room; returns how many."""',
        f'        size = {later} if episode.branches else self.knobs["first"]',
        '        size = max(0, min(size, self.knobs["max_branches"] - len(episode.branches), episode.open_slots))',
        f"        return len(episode.{opened})",
        "",
    ]


def _tally(parts: list[Mechanism]) -> str:
    factors = [part.hook for part in parts if part.slot in ("length", "signal") and part.hook]
    retained = any(part.slot == "retention" and part.methods for part in parts)
    votes = "self.retained(episode, votes)" if retained else "votes"
    source = WEIGHTED.replace("{weight}", " * ".join(factors)) if factors else UNWEIGHTED
    return source.replace("{votes}", votes)


def _is_clear(parts: list[Mechanism]) -> list[str]:
    by_slot = {part.slot: part for part in parts}
    stop, give_up = by_slot["stopping"].hook, by_slot["giving_up"].hook
    lines = [
        "    def is_clear(self, episode: Episode) -> bool:",
        '        """Whether the vote decides the question, or nothing will."""',
    ]
    if stop == "False" and not give_up:
        return [*lines, "        return False"]
    lines += [
        f"        leader, first, second, {'total' if give_up else '_'} = self.standing(episode)",
        "        if leader is None:",
        "            return False",
    ]
    if give_up:
        lines += [
            f"        if {give_up}:",
            '            episode.note(f"given up: the leader has {first:.3g} of {total:.3g} votes")',
            "            return True",
        ]
    return [*lines, f"        return {stop}"]


_STANDING = '''
    def standing(self, episode: Episode) -> tuple[Answer | None, float, float, float]:
        """The leading answer, its votes, those of the second, and those of all."""
        votes = self.tally(episode)
        if not votes:
            return None, 0, 0, 0
        total = sum(votes.values())
        leader = max(votes, key=votes.__getitem__)
        first = votes.pop(leader)
        return leader, first, max(votes.values(), default=0), total
'''
