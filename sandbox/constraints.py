"""A user's constraints on the episodes of any controller, whose code is unchanged.

A limit on tokens lowers the budget B of its episodes, which the host enforces; a controller that runs into it and does
not handle the error answers with the majority so far instead of failing. A least number of branches is enforced in the
controller's own process (`sandbox.inside.constraints`): it serves the user, and is no defence against the author.
"""

from dataclasses import dataclass, replace

from envdata.episodes import Terms


@dataclass(frozen=True)
class Constraints:
    """Constraints on every episode."""

    token_limit: int | None = None
    """Largest number of tokens that an episode may spend; None for no limit besides the budget."""
    min_branches: int = 0
    """Least number of branches that an answer rests on; 0 for no constraint."""

    def __post_init__(self) -> None:
        """Raise ValueError for values out of range."""
        if self.token_limit is not None and self.token_limit < 1:
            raise ValueError(f"token_limit is {self.token_limit}; give 1 or more, or none for no limit")
        if self.min_branches < 0:
            raise ValueError(f"min_branches is {self.min_branches}; give 0 or more")

    def around(self, terms: Terms) -> Terms:
        """Return the terms with a budget of at most `max_tokens`.

        Raises ValueError if an episode cannot open `min_branches` branches.
        """
        if self.min_branches > terms.max_branches:
            raise ValueError(
                f"min_branches is {self.min_branches}, and an episode may open {terms.max_branches}; give fewer, or "
                "more with --max-branches"
            )
        limits = [limit for limit in (terms.budget, self.token_limit) if limit is not None]
        return replace(terms, budget=min(limits, default=None))

    def job(self) -> dict[str, object]:
        """Return the constraints as the worker's job holds them."""
        return {"min_branches": self.min_branches, "answer_at_limit": self.token_limit is not None}
