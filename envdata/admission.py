"""Whether calls may be made: within the budget, on active branches, a probe once per branch and depth."""

import numpy as np

from envdata.actions import Op, Refusal
from envdata.ledger import FINISHED, PROBED, PRUNED, UNLIMITED, Bools, Calls, Costs, Ints, Ledger

# Looked up once: an enumeration's members are slow to reach in Python 3.11.
_CONTINUE, _FINISH, _PROBE, _READ = int(Op.CONTINUE), int(Op.FINISH), int(Op.PROBE), int(Op.READ)


def judge(ledger: Ledger, calls: Calls, opens: Bools, call_of_listed: Ints, costs: Costs) -> Ints:
    """(n,) refusals. Where several reasons hold, the one that is written last here is given."""
    n = len(calls.op)
    refusal = np.zeros(n, np.int64)
    episode, op, count = calls.episode, calls.op, calls.count
    if costs.budget < UNLIMITED:
        looks = np.where((calls.probe & (op != _READ)) | (op == _PROBE), costs.probe, 0)
        worst = count * (np.where(op == _PROBE, 0, costs.interval) + looks)
        # How long FINISH takes is not known beforehand: it needs something left to spend, no more.
        worst[op == _FINISH] = np.minimum(1, count[op == _FINISH])
        refusal[worst > costs.budget - ledger.tokens[episode]] = Refusal.BUDGET_EXCEEDED
    if opens.any():
        refusal[opens & (count > (ledger.ceiling - ledger.opened)[episode])] = Refusal.NO_OPEN_SLOT
    if call_of_listed.size:
        own = episode[call_of_listed]
        unknown = (calls.branch < 0) | (calls.branch >= ledger.opened[own])
        place = own * ledger.width + (np.where(unknown, 0, calls.branch) if unknown.any() else calls.branch)
        state = ledger.state[place]
        # Calls are of distinct episodes: a place that is there twice is one call's.
        again = ledger.repeated(place)
        if (op == _PROBE).any() or (unknown | again | (state & (FINISHED | PRUNED) > 0)).any():
            _judge_branches(refusal, ledger, op[call_of_listed], call_of_listed, place, unknown, again, costs)
    refusal[ledger.over[episode]] = Refusal.EPISODE_OVER
    return refusal


def _judge_branches(
    refusal: Ints, ledger: Ledger, op: Ints, call: Ints, place: Ints, unknown: Bools, again: Bools, costs: Costs
) -> None:
    """Refuse the calls of listed branches that are not fit for them; one entry a listed branch but for `refusal`."""
    state = ledger.state[place]
    probes = op == _PROBE
    finished = state & FINISHED > 0
    if costs.repeats_last:
        finished &= op != _CONTINUE
    for wrong, why in (
        # Stopped by the budget within its first interval, a branch has nothing to look at, even where looking is free.
        (probes & (ledger.depth[place] == 0), Refusal.BUDGET_EXCEEDED),
        (probes & (state & PROBED > 0), Refusal.ALREADY_PROBED),
        (finished, Refusal.BRANCH_FINISHED),
        (state & PRUNED > 0, Refusal.BRANCH_PRUNED),
        (again & ~unknown, Refusal.DUPLICATE_BRANCH),
        (unknown, Refusal.UNKNOWN_BRANCH),
    ):
        if wrong.any():
            refusal[call[wrong]] = why
