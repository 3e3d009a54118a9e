"""Constraints that a user puts around any controller, whose code stays as it is.

A limit on tokens is the budget B of its episodes, which the host holds; a controller that runs into it and does not
know how to end answers with the vote so far, instead of failing. A floor on branches is kept beside the controller, in
its own process (`sandbox.inside.guard`): it is a wish of whoever runs it, not a defence against its author.
"""

from dataclasses import dataclass, replace

from envdata.episodes import Terms


@dataclass(frozen=True)
class Constraints:
    """What is asked of every episode, whatever its controller does."""

    max_tokens: int | None = None
    """Tokens that an episode may spend; None is no limit besides the budget."""
    min_branches: int = 0
    """Branches that an answer rests on at least; 0 is none."""

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; give 1 or more, or none for no limit")
        if self.min_branches < 0:
            raise ValueError(f"min_branches is {self.min_branches}; give 0 or more")

    def around(self, terms: Terms) -> Terms:
        """The terms with the limit on tokens in them. Raises ValueError if there cannot be so many branches."""
        if self.min_branches > terms.max_branches:
            raise ValueError(
                f"min_branches is {self.min_branches}, and an episode may open {terms.max_branches}; give fewer, or "
                "more with --max-branches"
            )
        limits = [limit for limit in (terms.budget, self.max_tokens) if limit is not None]
        return replace(terms, budget=min(limits, default=None))

    def job(self) -> dict[str, object]:
        """What the worker is told."""
        return {"min_branches": self.min_branches, "answer_at_limit": self.max_tokens is not None}
