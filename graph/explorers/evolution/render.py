"""From a recipe (which mechanisms, which knobs) to a controller's source file, written to be read."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.explorers.evolution.knobs import Gene, Knob
from graph.explorers.evolution.mechanism import Mechanism
from graph.explorers.evolution.mechanisms import MAX_BRANCHES, SLOTS, mechanism


@dataclass(frozen=True)
class Recipe:
    """What a controller of the family is made from."""

    choices: dict[str, str]
    """A mechanism's name by slot; every slot has one."""
    genes: dict[str, Gene] = field(default_factory=dict)
    """By knob; exactly the knobs of the chosen mechanisms."""

    def mechanisms(self) -> list[Mechanism]:
        """The chosen ones, in the order of the slots."""
        return [mechanism(slot, self.choices[slot]) for slot in SLOTS]

    def knobs(self) -> list[Knob]:
        """All knobs of the chosen mechanisms."""
        return [MAX_BRANCHES, *(knob for each in self.mechanisms() for knob in each.knobs)]

    def fixed(self, along: float) -> "Recipe":
        """The recipe at one point of its schedules, `along` in 0 … 1 from start to end: every knob a constant."""
        genes = {name: (start + (1 - start) * share * along, 0.0) for name, (start, share) in self.genes.items()}
        return Recipe(self.choices, genes)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries."""
        return {"choices": dict(self.choices), "genes": {name: list(gene) for name, gene in self.genes.items()}}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Recipe":
        """The inverse of `to_json`."""
        return cls(dict(said["choices"]), {name: (float(a), float(b)) for name, (a, b) in said["genes"].items()})


def render(recipe: Recipe) -> str:
    """The source file."""
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
        f"from sandbox.tts import {', '.join(names)}",
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
        *_widen(chosen),
        *_is_clear(parts),
        *(line for part in parts if part.methods for line in part.methods.rstrip("\n").split("\n")),
        *_standing(),
    ]
    return "\n".join(lines) + "\n"


def title(recipe: Recipe) -> str:
    """A sentence without its full stop."""
    chosen = recipe.choices
    reading = {
        "whole": "Whole branches",
        "steps": "Branches side by side",
        "settled": "Branches until they settle",
        "prefix": "Beginnings of branches",
    }[chosen["reading"]]
    opening = {"batches": "in batches", "staggered": "a few more every round"}[chosen["widening"]]
    until = {
        "never": "all of them counted",
        "posterior": "until the leader is surely ahead",
        "lead": "until the leader is votes ahead",
        "unanimous": "until the latest votes agree",
        "stable": "until the leader stays the same",
    }[chosen["stopping"]]
    return f"{reading}, {opening}, {until}"


def class_name(recipe: Recipe) -> str:
    """A name that says the mechanisms that matter most."""
    chosen = recipe.choices
    said = [chosen["reading"], chosen["stopping"] if chosen["stopping"] != "never" else "full", chosen["widening"]]
    return "".join(word.capitalize() for word in said)


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
    state = []
    if chosen["stopping"] == "stable":
        state += ["        self.leader: Answer | None = None", "        self.led = 0"]
    if chosen["pruning"] == "outvoted":
        state += ["        self.against: dict[int, int] = {}"]
    if chosen["weight"] == "sure":
        state += ["        self.sureness: dict[int, float] = {}"]
    staggered = chosen["widening"] == "staggered"
    pruning = by_slot["pruning"].hook
    return [
        "    def solve(self, episode: Episode) -> Answer | None:",
        '        """Open, read and vote, until the vote is clear or nothing is left to read."""',
        *state,
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
        "        leader, _, _ = self.standing(episode)",
        "        return majority(branch.answer for branch in episode.branches) if leader is None else leader",
        "",
    ]


def _widen(chosen: dict[str, str]) -> list[str]:
    opens = "read" if chosen["reading"] == "whole" else "branch"
    return [
        "    def widen(self, episode: Episode) -> int:",
        '        """Open more branches if there is room; returns how many."""',
        '        size = self.knobs["burst"] if episode.branches else self.knobs["first"]',
        '        size = min(size, self.knobs["max_branches"] - len(episode.branches), episode.open_slots)',
        f"        return len(episode.{opens}(max(0, size)))",
        "",
    ]


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
        "        leader, first, second = self.standing(episode)",
        "        if leader is None:",
        "            return False",
    ]
    if give_up:
        lines += [
            "        voters = sum(1 for branch in episode.branches if self.votes(branch))",
            f"        if {give_up}:",
            '            episode.note(f"given up: {voters} votes, the leader has {first:g}")',
            "            return True",
        ]
    return [*lines, f"        return {stop}"]


def _standing() -> list[str]:
    return [
        "",
        "    def standing(self, episode: Episode) -> tuple[Answer | None, float, float]:",
        '        """The leading answer, its votes, and those of the second."""',
        "        counts = self.tally(episode)",
        "        if not counts:",
        "            return None, 0, 0",
        "        leader = max(counts, key=counts.__getitem__)",
        "        first = counts.pop(leader)",
        "        return leader, first, max(counts.values(), default=0)",
    ]
