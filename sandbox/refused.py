"""Why a controller's action was refused, as the errors that it raises. Standard library alone."""

from envdata.actions import Refusal


class ActionError(Exception):
    """An action that is not admissible now. It changed nothing and cost nothing."""


class UnknownBranch(ActionError):
    """The branch is not one that this episode opened."""


class DuplicateBranch(ActionError):
    """A call names a branch twice."""


class BranchPruned(ActionError):
    """The branch was pruned before."""


class BranchFinished(ActionError):
    """The branch is at its end: its answer is known, and it cannot go on."""


class NoOpenSlot(ActionError):
    """More branches are asked for than `episode.open_slots`."""


class AlreadyProbed(ActionError):
    """The branch was looked at since it last went on."""


class BudgetExceeded(ActionError):
    """The call's worst case, Δ + κ a branch, does not fit `episode.tokens_left`."""


class EpisodeOver(ActionError):
    """The episode has ended."""


ERRORS: dict[int, type[ActionError]] = {
    Refusal.UNKNOWN_BRANCH: UnknownBranch,
    Refusal.DUPLICATE_BRANCH: DuplicateBranch,
    Refusal.BRANCH_PRUNED: BranchPruned,
    Refusal.BRANCH_FINISHED: BranchFinished,
    Refusal.NO_OPEN_SLOT: NoOpenSlot,
    Refusal.ALREADY_PROBED: AlreadyProbed,
    Refusal.BUDGET_EXCEEDED: BudgetExceeded,
    Refusal.EPISODE_OVER: EpisodeOver,
}
