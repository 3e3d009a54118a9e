"""Proposals that act as an earlier controller does, found before the round is evaluated.

All proposals are played over one repeat at one β. Only those that act there as another controller does are played over
the whole screening, so that looking for copies costs a small part of a screening.
"""

from collections.abc import Mapping, Sequence

from graph.critic.duplicates import Behaviour, behaviours, find_duplicate
from graph.loop.context import Context
from graph.run.files import read_table
from sandbox.candidate import Candidate
from sandbox.evaluate import Plan


def earlier_behaviours(context: Context, number: int) -> dict[str, Behaviour]:
    """Return the behaviours of the baselines and of the candidates of the rounds before round `number`, by label."""
    known = behaviours(read_table(context.folder.round(0).evaluation))
    for earlier in range(1, number):
        known |= behaviours(read_table(context.folder.round(earlier).screening))
    return known


def find_copies(
    context: Context, number: int, proposed: Mapping[str, tuple[str, bool]], new: Sequence[str], shown: Sequence[str]
) -> dict[str, str]:
    """Return the label of the controller that each copy among the proposals of a round acts as, by the copy's label.

    Args:
        context: The run.
        number: Round, from 1.
        proposed: Source of each proposal of the round that loads, and whether its schedule ignores β, by label.
        new: Labels of the proposals that may be copies, of baselines, of `shown`, or of an earlier one of the round.
        shown: Labels of the candidates of earlier rounds that the explorer is shown.
    """
    settings = context.settings
    compared = {*settings.baselines, *shown}
    known = {label: each for label, each in earlier_behaviours(context, number).items() if label in compared}

    def play(labels: Sequence[str], betas: tuple[float, ...], repeats: int) -> dict[str, Behaviour]:
        plans = [
            Plan(Candidate(label, proposed[label][0]), settings.grids, None if proposed[label][1] else betas, repeats)
            for label in labels
        ]
        with context.observer.progress(f"round {number}: looking for copies") as progress:
            return behaviours(context.evaluator.evaluate(plans, progress).episodes)

    first = play(list(proposed), (settings.betas[len(settings.betas) // 2],), 1)
    suspects = [label for label in proposed if find_duplicate(first[label], known | _without(first, label))]
    if not set(suspects) & set(new):
        return {}
    copies: dict[str, str] = {}
    for label, behaviour in play(suspects, settings.betas, settings.screening_repeats).items():
        same = find_duplicate(behaviour, known)
        if same is not None and label in new:
            copies[label] = same
        known[label] = behaviour
    return copies


def _without(by_label: Mapping[str, Behaviour], label: str) -> dict[str, Behaviour]:
    return {name: each for name, each in by_label.items() if name != label}
