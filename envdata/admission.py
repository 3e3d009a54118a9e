"""Admission of calls: within the budget, on active branches, one probe for each branch and depth."""

import numpy as np

from envdata.actions import Op, Refusal
from envdata.episode_state import FINISHED, PROBED, PRUNED, UNLIMITED, Bools, Calls, Costs, EpisodeStates, Ints

# Members of an enumeration are slow to look up in Python 3.11.
_CONTINUE, _FINISH, _PROBE, _READ = int(Op.CONTINUE), int(Op.FINISH), int(Op.PROBE), int(Op.READ)


def refusals(states: EpisodeStates, calls: Calls, opens: Bools, call_of_listed: Ints, costs: Costs) -> Ints:
    """Return a `Refusal` for each of n calls, shape (n,).

    Args:
        states: The state of all episodes.
        calls: The n calls, each of another episode.
        opens: Whether a call opens branches (BRANCH, READ), shape (n,).
        call_of_listed: The call of each entry of `calls.branch`.
        costs: The largest costs of the actions.

    Returns:
        Refusals; where several reasons hold, the one that is assigned last here.
    """
    n = len(calls.op)
    refusal = np.zeros(n, np.int64)
    episode, op, count = calls.episode, calls.op, calls.count
    if costs.budget < UNLIMITED:
        looks = np.where((calls.probe & (op != _READ)) | (op == _PROBE), costs.probe, 0)
        worst = count * (np.where(op == _PROBE, 0, costs.interval) + looks)
        # The length of FINISH is not known beforehand: it needs at least one token of budget.
        worst[op == _FINISH] = np.minimum(1, count[op == _FINISH])
        refusal[worst > costs.budget - states.tokens[episode]] = Refusal.BUDGET_EXCEEDED
    if not costs.probes:
        refusal[(calls.probe & (op != _READ) & (op != _FINISH)) | (op == _PROBE)] = Refusal.NO_PROBE
    if opens.any():
        refusal[opens & (count > (states.ceiling - states.opened)[episode])] = Refusal.NO_OPEN_SLOT
    if call_of_listed.size:
        own = episode[call_of_listed]
        unknown = (calls.branch < 0) | (calls.branch >= states.opened[own])
        place = own * states.width + (np.where(unknown, 0, calls.branch) if unknown.any() else calls.branch)
        flags = states.flags[place]
        # Calls are of distinct episodes: a place that occurs twice is listed twice in one call.
        again = states.repeated(place)
        if (op == _PROBE).any() or (unknown | again | (flags & (FINISHED | PRUNED) > 0)).any():
            _judge_branches(refusal, states, op[call_of_listed], call_of_listed, place, unknown, again, costs)
    refusal[states.over[episode]] = Refusal.EPISODE_OVER
    return refusal


def _judge_branches(
    refusal: Ints, states: EpisodeStates, op: Ints, call: Ints, place: Ints, unknown: Bools, again: Bools, costs: Costs
) -> None:
    """Refuse calls whose listed branches are unfit for them; arrays but `refusal` have an entry for each branch."""
    flags = states.flags[place]
    probes = op == _PROBE
    finished = flags & FINISHED > 0
    if costs.repeats_last:
        finished &= op != _CONTINUE
    for refused, reason in (
        # A branch that the budget stopped within its first interval has no answer, even where probes are free.
        (probes & (states.depth[place] == 0), Refusal.BUDGET_EXCEEDED),
        (probes & (flags & PROBED > 0), Refusal.ALREADY_PROBED),
        (finished, Refusal.BRANCH_FINISHED),
        (flags & PRUNED > 0, Refusal.BRANCH_PRUNED),
        (again & ~unknown, Refusal.DUPLICATE_BRANCH),
        (unknown, Refusal.UNKNOWN_BRANCH),
    ):
        if refused.any():
            refusal[call[refused]] = reason
