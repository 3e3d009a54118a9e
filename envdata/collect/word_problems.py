"""Generated word problems with one exact number as the answer, for very small models.

Each family asks for one multiplication in its own words, and brings worked examples in the intended style of its
solutions: a plain one, one that checks itself, one that checks itself twice. The checks matter for the collected
branches. A small model often contradicts its first product there, in both directions, so that a branch's answer can
change several times before its end.

Questions take the families in turn; within a family no pair of numbers occurs twice, in any range of questions, and
none is a pair of the worked examples. Two ranges of one seed that do not overlap are therefore disjoint sets.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from envdata.collect.questions import Question

Facts = tuple[int, int]
"""The two numbers of a problem."""


@dataclass(frozen=True)
class Problem:
    """One question with a solution in the style of a worked example."""

    question: str
    reasoning: str
    answer: int

    def as_example(self) -> str:
        """Return the worked example's text, with the blank line that ends it."""
        return f"Problem: {self.question}\nReasoning: {self.reasoning}\nAnswer: {self.answer}\n\n"


@dataclass(frozen=True)
class Family:
    """One kind of question."""

    name: str
    write: Callable[[Facts, random.Random], Problem]
    """Writes the problem of two numbers."""
    first: Sequence[int]
    """Values of the first number."""
    second: Sequence[int]
    """Values of the second number."""
    examples: tuple[Facts, ...]
    """The numbers of the worked examples, which no question uses."""

    def prompt(self) -> str:
        """Return the worked examples, the same for every question of the family."""
        rng = random.Random(f"examples of {self.name}")
        return "".join(self.write(facts, rng).as_example() for facts in self.examples)

    def pairs(self, seed: int) -> list[Facts]:
        """Return every pair of numbers that the family may ask about, in the seed's order."""
        every = [facts for facts in itertools.product(self.first, self.second) if facts not in self.examples]
        random.Random(f"{self.name} {seed}").shuffle(every)
        return every


def _containers(facts: Facts, rng: random.Random) -> Problem:
    held, count = facts
    one, many, things = rng.choice(
        [
            ("bag", "bags", "balls"),
            ("box", "boxes", "pens"),
            ("shelf", "shelves", "books"),
            ("crate", "crates", "apples"),
            ("jar", "jars", "sweets"),
            ("tray", "trays", "eggs"),
            ("row", "rows", "seats"),
            ("pack", "packs", "cards"),
        ]
    )
    total = held * count
    return Problem(
        f"A {one} holds {held} {things}. How many {things} are in {count} {many}?",
        f"There are {count} {many}. Each {one} holds {held} {things}. {count} * {held} = {total}. "
        f"Check: {held} * {count} = {total}. So there are {total} {things}.",
        total,
    )


def _prices(facts: Facts, rng: random.Random) -> Problem:
    price, count = facts
    thing = rng.choice(["pen", "cup", "book", "cake", "rose", "ticket"])
    total = price * count
    return Problem(
        f"One {thing} costs {price} dollars. How many dollars do {count} {thing}s cost?",
        f"One {thing} costs {price} dollars. We buy {count} {thing}s. {count} * {price} = {total}. "
        f"Check: {price} * {count} = {total}. Once more: {count} * {price} = {total}. So they cost {total} dollars.",
        total,
    )


def _times(facts: Facts, rng: random.Random) -> Problem:
    base, factor = facts
    first, second = rng.sample(["Tom", "Anna", "Ben", "Mia", "Sam", "Eva"], 2)
    things = rng.choice(["balls", "stones", "beads", "cups"])
    total = base * factor
    return Problem(
        f"{first} has {base} {things}. {second} has {factor} times as many. How many {things} does {second} have?",
        f"{first} has {base} {things}. {second} has {factor} times as many. {factor} * {base} = {total}. "
        f"Check: {base} * {factor} = {total}. So {second} has {total} {things}.",
        total,
    )


def _travel(facts: Facts, rng: random.Random) -> Problem:
    speed, hours = facts
    vehicle = rng.choice(["car", "train", "bus", "boat", "runner"])
    total = speed * hours
    return Problem(
        f"A {vehicle} goes {speed} miles in one hour. How many miles does it go in {hours} hours?",
        f"In one hour the {vehicle} goes {speed} miles, and it goes for {hours} hours, so multiply: "
        f"{hours} * {speed} = {total}. It goes {total} miles.",
        total,
    )


_EXAMPLES = ((6, 5), (4, 3), (9, 4), (7, 6), (12, 3))

FAMILIES: tuple[Family, ...] = (
    Family("containers", _containers, range(3, 15), range(3, 10), _EXAMPLES),
    Family("prices", _prices, range(2, 15), range(3, 13), _EXAMPLES),
    Family("times", _times, range(3, 15), range(3, 10), _EXAMPLES),
    Family("travel", _travel, range(3, 16), range(3, 10), _EXAMPLES),
)


def word_problems(count: int, seed: int = 0, skip: int = 0) -> list[Question]:
    """Return questions number `skip` to `skip + count - 1` of the seed's sequence.

    Args:
        count: The number of questions, from 1.
        seed: Decides numbers and names.
        skip: The number of the first question, from 0.

    Raises:
        ValueError: The range goes beyond the pairs of numbers that a family has.
    """
    most = len(FAMILIES) * min(len(family.pairs(seed)) for family in FAMILIES)
    if count < 1 or skip < 0 or skip + count > most:
        raise ValueError(
            f"word problems {skip} to {skip + count - 1} were asked for, but one seed gives numbers 0 to {most - 1}; "
            "ask for fewer or take another seed"
        )
    pairs = [family.pairs(seed) for family in FAMILIES]
    questions = []
    for number in range(skip, skip + count):
        turn, which = divmod(number, len(FAMILIES))
        family, facts = FAMILIES[which], pairs[which][turn]
        problem = family.write(facts, random.Random(f"{family.name} {seed} {facts}"))
        prompt = f"{family.prompt()}Problem: {problem.question}\nReasoning:"
        questions.append(Question(problem.question, str(problem.answer), prompt, family.name))
    return questions
