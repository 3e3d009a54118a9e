"""Atomic actions of an episode, and the reasons for refusing one.

This module uses the standard library alone: the process that runs a controller imports the same file, so both sides of
the wire share the numbers of actions and refusals.
"""

from enum import IntEnum, unique


@unique
class Op(IntEnum):
    """Actions of a controller. A call applies one of them to one or more branches at once."""

    BRANCH = 1
    """Open branches through their first interval."""
    CONTINUE = 2
    """Advance branches by one interval."""
    FINISH = 3
    """CONTINUE branches to their ends and reveal their final answers only."""
    PROBE = 4
    """Reveal the answers that branches would give from their present prefixes."""
    PRUNE = 5
    """Stop branches for good. Revealed answers stay known."""
    ANSWER = 6
    """End the episode with an answer that it revealed, or with none."""
    NOTE = 7
    """Add a remark of the controller to the trace; it changes nothing else."""
    FAIL = 8
    """Report that the controller failed: ends the episode without an answer."""
    READ = 9
    """BRANCH and FINISH in one call: open branches and reveal their final answers only."""
    SIGNAL = 10
    """Read a signal of branches at depths that they have reached. Costs nothing and changes nothing."""


@unique
class Refusal(IntEnum):
    """Reasons for which an action is inadmissible. A refused call changes nothing."""

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
    NO_PROBE = 10
