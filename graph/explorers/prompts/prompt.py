"""Prompts, and their assembly from parts within a limit on tokens."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graph.explorers.base import ExplorerError
from graph.explorers.prompts.templates import version
from graph.explorers.prompts.tokens import estimate

FRAME = 32
"""Tokens that a chat format adds around the messages."""


class PromptTooLong(ExplorerError):
    """The parts of a prompt that are never dropped exceed the limit."""


@dataclass(frozen=True)
class Prompt:
    """A system text and one user message in two parts."""

    system: str
    stable: str
    """First part of the message: equal in all rounds of a run, so that providers can cache it."""
    changing: str
    """Second part of the message: differs between rounds."""
    version: str
    """Version of all templates."""
    tokens: int
    """Upper estimate of the tokens of the whole prompt (`graph.explorers.prompts.tokens`)."""
    cut: tuple[str, ...]
    """Names of the parts that were dropped to fit, in the order of dropping."""


@dataclass(frozen=True)
class Part:
    """A piece of the changing part of a prompt."""

    name: str
    text: str
    priority: tuple[int, ...] | None = None
    """Parts with the lowest priority are dropped first; None is never dropped."""
    heading: str = ""
    """Heading before the first of consecutive parts with the same heading."""


def assemble(system: str, stable: str, parts: Sequence[Part], limit: int) -> Prompt:
    """Return a prompt of the parts in their order, without as many parts of lowest priority as needed to fit.

    Args:
        system: System text.
        stable: First part of the message.
        parts: Pieces of the second part of the message.
        limit: Tokens of the prompt, at most.

    Raises:
        PromptTooLong: The parts that are never dropped exceed the limit.
    """
    kept = [part for part in parts if part.text]
    fixed = estimate(system) + estimate(stable) + FRAME
    # The sum over parts, each with a blank line after it, is never less than the estimate of the joined text.
    sizes = {id(part): estimate(part.text) + 1 for part in kept}
    below = Counter(part.heading for part in kept)
    total = fixed + sum(sizes.values()) + sum(estimate(heading) + 1 for heading in below)
    droppable = sorted((part for part in kept if part.priority is not None), key=lambda part: part.priority or ())
    cut: list[str] = []
    for part in droppable:
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
    changing = join_parts(kept)
    return Prompt(system, stable, changing, version(), fixed + estimate(changing), tuple(cut))


def join_parts(parts: Sequence[Part]) -> str:
    """Return the text of parts, with each heading before the first of its parts."""
    lines: list[str] = []
    heading = ""
    for part in parts:
        if part.heading and part.heading != heading:
            lines.append(part.heading)
        heading = part.heading
        lines.append(part.text)
    return "\n\n".join(lines)
