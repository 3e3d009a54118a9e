"""The atomic actions of an episode, and the reasons for which one is refused.

The standard library alone is used here: the same file is shown to the process that runs a controller, so that both
sides of the wire spell actions and refusals alike.
"""

from enum import IntEnum, unique


@unique
class Op(IntEnum):
    """What a controller can do; a call applies one of them to one or more branches at once."""

    BRANCH = 1
    """Open branches through their first interval."""
    CONTINUE = 2
    """Advance branches by one interval."""
    FINISH = 3
    """CONTINUE branches to their ends, looking at the final answers alone."""
    PROBE = 4
    """Look at the answers that branches would give from their present prefixes."""
    PRUNE = 5
    """Stop branches for good; what they showed stays known."""
    ANSWER = 6
    """End the episode with an answer that it revealed, or with none."""
    NOTE = 7
    """A remark of the controller's for the trace; changes nothing."""
    FAIL = 8
    """The worker reports that the controller failed; ends the episode without an answer."""
    READ = 9
    """BRANCH and FINISH in one call: open branches, and look at their final answers alone."""
    ROUNDS = 10
    """CONTINUE the same branches again and again, until something comes up that the controller has to see."""
    IN_TURN = 11
    """READ some branches, then more, and so on, until there are enough of them or their vote is clear."""
    TAKEN = 12
    """BRANCH and CONTINUE, one branch each, that were taken from sealed branches (`sandbox.sealing`) before."""


@unique
class Refusal(IntEnum):
    """Why an action was not admissible; a refused call changed nothing."""

    ADMITTED = 0
    UNKNOWN_BRANCH = 1
    DUPLICATE_BRANCH = 2
    BRANCH_PRUNED = 3
    BRANCH_FINISHED = 4
    NO_OPEN_SLOT = 5
    ALREADY_PROBED = 6
    BUDGET_EXCEEDED = 7
    EPISODE_OVER = 8
    UNREVEALED_ANSWER = 9
