"""Errors that inadmissible actions raise in a controller. Standard library alone."""

from envdata.actions import Refusal


class ActionError(Exception):
    """An action that is not admissible now; it changed nothing and cost nothing."""


class UnknownBranch(ActionError):
    """The branch is not one that this episode opened."""


class DuplicateBranch(ActionError):
    """The call names a branch twice."""


class BranchPruned(ActionError):
    """The branch was pruned before."""


class BranchFinished(ActionError):
    """The branch is at its end: its answer is known, and it cannot go on."""


class NoOpenSlot(ActionError):
    """The call opens more branches than `episode.open_slots`."""


class AlreadyProbed(ActionError):
    """The branch was probed at its present depth."""


class NoProbe(ActionError):
    """The server only streams, or the grid has no probes: a branch that goes on cannot be asked for its answer."""


class BudgetExceeded(ActionError):
    """The call's worst case, Δ + κ a branch, does not fit `episode.tokens_left`."""


class EpisodeOver(ActionError):
    """The episode has ended."""


class UnknownSignal(ActionError, KeyError):
    """The grid or the model has no signal of this name; the message lists those that it has."""

    __str__ = Exception.__str__


ERRORS: dict[int, type[ActionError]] = {
    Refusal.UNKNOWN_BRANCH: UnknownBranch,
    Refusal.DUPLICATE_BRANCH: DuplicateBranch,
    Refusal.BRANCH_PRUNED: BranchPruned,
    Refusal.BRANCH_FINISHED: BranchFinished,
    Refusal.NO_OPEN_SLOT: NoOpenSlot,
    Refusal.ALREADY_PROBED: AlreadyProbed,
    Refusal.BUDGET_EXCEEDED: BudgetExceeded,
    Refusal.EPISODE_OVER: EpisodeOver,
    Refusal.NO_PROBE: NoProbe,
}
