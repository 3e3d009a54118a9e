"""What is sent to a model, and how it is made to fit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graph.explorers.base import ExplorerError
from graph.prompts.templates import version
from graph.prompts.tokens import estimate

FRAME = 32
"""Tokens for what a chat format puts around the messages."""


class PromptTooLong(ExplorerError):
    """What may never be cut does not fit the limit."""


@dataclass(frozen=True)
class Prompt:
    """A system text and one user message in two parts."""

    system: str
    stable: str
    """The part that is the same in every round of a run, and can be cached."""
    changing: str
    """What differs; it follows `stable`."""
    version: str
    """Of the templates it was made from."""
    tokens: int
    """Of everything together, counted as in `graph.prompts.tokens`: rather too many than too few."""
    cut: tuple[str, ...]
    """Names of what was left out to fit, in the order in which it went."""


@dataclass(frozen=True)
class Part:
    """A piece of the changing part."""

    name: str
    text: str
    worth: tuple[int, ...] | None = None
    """What goes first when something has to: the lowest. None is never cut."""
    heading: str = ""
    """Stands before the first part that has it."""


def assemble(system: str, stable: str, parts: Sequence[Part], limit: int) -> Prompt:
    """Join the parts in their order, leaving out the least worth until no more than `limit` tokens are left.

    Raises PromptTooLong if what is never cut is too long by itself.
    """
    kept = [part for part in parts if part.text]
    fixed = estimate(system) + estimate(stable) + FRAME
    # Counted by the part, each with the blank line that parts it from the next: never less than the joined text.
    sizes = {id(part): estimate(part.text) + 1 for part in kept}
    below = Counter(part.heading for part in kept)
    total = fixed + sum(sizes.values()) + sum(estimate(heading) + 1 for heading in below)
    going = sorted((part for part in kept if part.worth is not None), key=lambda part: part.worth or ())
    cut: list[str] = []
    for part in going:
        if total <= limit:
            break
        kept.remove(part)
        cut.append(part.name)
        total -= sizes[id(part)]
        below[part.heading] -= 1
        if not below[part.heading]:
            total -= estimate(part.heading) + 1
    if total > limit:
        raise PromptTooLong(
            f"the task and the API alone are about {total:,} tokens, and the limit is {limit:,}; raise it "
            f"(--brief-tokens {total}), or take a model with a larger context"
        )
    changing = joined(kept)
    return Prompt(system, stable, changing, version(), fixed + estimate(changing), tuple(cut))


def joined(parts: Sequence[Part]) -> str:
    """The text of parts, each heading before the first of its own."""
    lines: list[str] = []
    heading = ""
    for part in parts:
        if part.heading and part.heading != heading:
            lines.append(part.heading)
        heading = part.heading
        lines.append(part.text)
    return "\n\n".join(lines)
