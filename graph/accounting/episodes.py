"""Counting the episodes that a run replays."""

from collections.abc import Sequence
from typing import Any

from sandbox.evaluate import Evaluation, Evaluator, Plan, Progress


class CountingEvaluator(Evaluator):
    """An evaluator that knows how many episodes it has played."""

    episodes = 0
    """Since it was made."""

    def evaluate(self, plans: Sequence[Plan], progress: Progress | None = None, **more: Any) -> Evaluation:
        """As `Evaluator.evaluate`."""
        played = super().evaluate(plans, progress, **more)
        self.episodes += played.episodes.num_rows
        return played
