"""The rules of an episode: what an action may do, what it costs, what it changes.

This is the one place where they stand. They are written over arrays, so that the calls of many episodes are judged and
settled at once; one episode is simply an array of length one. The *world* behind an episode (`World`: a replay grid, a
live model) says how a branch goes on; the rules say whether it may, and who pays.

A call applies one action to distinct branches of one episode, all or nothing. Costs, in tokens (paper, Section 2,
with the last interval of a branch costing what it really holds): each branch advanced costs what the world decoded,
at most Δ unless it is the branch's last step; a probe costs κ; a final answer costs nothing to look at. The call
takes as long as its longest branch (sequential tokens), and calls add up.

A call is admitted if its worst case, Δ + κ a branch, fits what is left of the budget. A last step longer than Δ and
FINISH, whose lengths nobody knows beforehand, run until the budget is spent and leave their branch unfinished:
admission never depends on what is not revealed yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envdata.actions import Op, Refusal
from envdata.admission import judge
from envdata.ledger import FINISHED, PROBED, PRUNED, UNLIMITED, Bools, Calls, Costs, Floats, Ints, Ledger, first_of_each

# Looked up once: an enumeration's members are slow to reach in Python 3.11.
_BRANCH, _CONTINUE, _FINISH = int(Op.BRANCH), int(Op.CONTINUE), int(Op.FINISH)
_PROBE, _READ = int(Op.PROBE), int(Op.READ)


@dataclass(frozen=True)
class Decoded:
    """How branches went on; one entry a branch."""

    tokens: Ints
    """What was decoded."""
    finished: Bools
    """Whether the branch reached its end."""
    depth: Ints
    """Intervals decoded so far, the new ones included."""


@dataclass(frozen=True)
class Seen:
    """What probes and finished branches show; one entry a branch."""

    answer: Ints
    """A code for the answer, the world's own."""
    confidence: Floats
    """Mean log-probability of the answer's tokens, NaN where there is none."""
    cost: Ints
    """κ of each probe in tokens; not charged for a finished branch."""


class World(Protocol):
    """What lies behind the branches of many episodes. Places are flat: episode × width + branch.

    The arrays that come back are the caller's own; the rules change them.
    """

    def decode(self, places: Ints, depth: Ints, charged: Ints, to_end: Bools) -> Decoded:
        """Go on by one interval, or to the end where `to_end`; `charged` is what each branch's decoding cost so far."""
        ...

    def partial_depth(self, places: Ints, charged: Ints) -> Ints:
        """How many whole intervals of a branch `charged` tokens hold, where decoding stopped at the budget."""
        ...

    def look(self, places: Ints, depth: Ints, finished: Bools) -> Seen:
        """Answer from the present prefix, or with the final answer where `finished`."""
        ...


@dataclass(frozen=True)
class Settled:
    """What n calls did. A refused call has no targets; T counts the targets of all admitted ones."""

    refusal: Ints
    """(n,): `Refusal` values."""
    call: Ints
    """(T,): which call a target belongs to; ascending."""
    place: Ints
    """(T,): episode × width + branch."""
    depth: Ints
    """(T,): intervals decoded after the call."""
    finished: Bools
    """(T,)."""
    revealed: Bools
    """(T,): whether an answer was revealed."""
    answer: Ints
    """(T,): the world's code of it, −1 where none was."""
    confidence: Floats
    """(T,): NaN where there is none."""
    cost: Ints
    """(T,): tokens charged, probe included."""


LabelOf = Callable[[Ints, Ints], Ints]
"""The labels of answer codes of episodes, −1 for those that were not revealed yet."""


@dataclass(frozen=True)
class Course:
    """What n calls came to, of which some may stand for several; T counts the targets of all of them."""

    settled: Settled
    """`refusal` is that of the call that was not admitted, after which no other came; `call` counts the n calls.

    The targets of one call that stands for several come branch after branch (`slot`), not step after step."""
    made: Ints
    """(n,): calls that were admitted."""
    taken: Ints
    """(n,): whole rounds, 0 but for ROUNDS."""
    opened: Ints
    """(n,): branches that ROUNDS and IN_TURN opened."""
    step: Ints
    """(T,): the how many-th of its call's calls a target belongs to, from 0: the order in which things happened."""
    op: Ints
    """(T,): the action."""
    slot: Ints
    """(T,): the how many-th branch of its call a target is: those listed, then those opened."""
    total: Ints
    """(T,): what the episode had spent after the call, in tokens."""


def settle(ledger: Ledger, calls: Calls, world: World, costs: Costs) -> Settled:
    """Judge `calls`, let the world go on where they are admitted, and charge for it."""
    opens = (calls.op == _BRANCH) | (calls.op == _READ)
    opening = bool(opens.any())
    call_of_listed = np.repeat(np.arange(len(calls.op)), np.where(opens, 0, calls.count) if opening else calls.count)
    refusal = judge(ledger, calls, opens, call_of_listed, costs)
    if opening or refusal.any():
        call, place = _targets(ledger, calls, opens, call_of_listed, refusal == Refusal.ADMITTED)
    else:
        call, place = call_of_listed, calls.episode[call_of_listed] * ledger.width + calls.branch
    return carry_out(ledger, calls, refusal, call, place, ledger.depth[place], world, costs)


def carry_out(
    ledger: Ledger, calls: Calls, refusal: Ints, call: Ints, place: Ints, depth: Ints, world: World, costs: Costs,
    last: Ints | None = None,
) -> Settled:  # fmt: skip
    """Let admitted calls' targets go on from `depth`, and charge for it; `call`, `place`, `depth` are (T,).

    `last` is for calls that follow upon one another, of which several may have one episode and one place: those of the
    targets that are the last of their places. Targets may come in any order then, and there is no budget.
    """
    episode, op = calls.episode[call], calls.op[call]
    to_end = (op == _FINISH) | (op == _READ)
    decoded = _decode(ledger, world, place, depth, to_end, op != _PROBE)
    tokens, finished, reached = decoded.tokens, decoded.finished, decoded.depth
    looks = finished | (calls.probe[call] & ~to_end) | (op == _PROBE)
    seen = _look(world, place, reached, finished, looks)
    answer, confidence, probe_cost = seen.answer, seen.confidence, seen.cost

    if costs.budget < UNLIMITED:
        left = costs.budget - ledger.tokens[calls.episode]
        stopped = _stop_at_budget(left, call, tokens, probe_cost, costs.interval, op == _FINISH)
        if stopped.size:
            # One that was finished before (`Costs.repeats_last`) stays so.
            finished[stopped] = ledger.state[place[stopped]] & FINISHED > 0
            looks[stopped] = False
            answer[stopped], confidence[stopped], probe_cost[stopped] = -1, np.nan, 0
            spent = ledger.charged[place[stopped]] + tokens[stopped]
            reached[stopped] = np.maximum(depth[stopped], world.partial_depth(place[stopped], spent))

    cost = tokens + probe_cost
    if last is not None:
        _charge_many(ledger, calls, call, cost)
    elif cost.size:
        starts = first_of_each(call)
        # Calls are of distinct episodes, so each is met once here.
        ledger.tokens[episode[starts]] += np.add.reduceat(cost, starts)
        ledger.sequential[episode[starts]] += np.maximum.reduceat(cost, starts)
    stayed = np.flatnonzero(reached == depth)
    probed = looks * PROBED
    if stayed.size:
        probed[stayed] |= ledger.state[place[stayed]] & PROBED
    state = probed | finished * FINISHED
    if last is None:
        ledger.state[place], ledger.depth[place] = state, reached
        ledger.charged[place] += tokens
        if costs.probe:
            ledger.looked[place] += probe_cost
    else:
        ledger.state[place[last]], ledger.depth[place[last]] = state[last], reached[last]
        np.add.at(ledger.charged, place, tokens)
        if costs.probe:
            np.add.at(ledger.looked, place, probe_cost)
    return Settled(refusal, call, place, reached, finished, looks, answer, confidence, cost)


def _charge_many(ledger: Ledger, calls: Calls, call: Ints, cost: Ints) -> None:
    """Charge episodes for calls of which each may have made several."""
    n = len(calls.op)
    longest = np.zeros(n, np.int64)
    np.maximum.at(longest, call, cost)
    np.add.at(ledger.sequential, calls.episode, longest)
    # Whole numbers below 2^53, which sums of floats hold exactly.
    np.add.at(ledger.tokens, calls.episode, np.bincount(call, cost, minlength=n).astype(np.int64))


def _decode(ledger: Ledger, world: World, place: Ints, depth: Ints, to_end: Bools, decodes: Bools) -> Decoded:
    """Let the world go on where a target `decodes`; the others stay where they are. The arrays are the caller's own."""
    if decodes.all():
        return world.decode(place, depth, ledger.charged[place], to_end)
    tokens, finished, reached = np.zeros(len(place), np.int64), np.zeros(len(place), bool), depth.copy()
    going = np.flatnonzero(decodes)
    if going.size:
        own = place[going]
        some = world.decode(own, depth[going], ledger.charged[own], to_end[going])
        tokens[going], finished[going], reached[going] = some.tokens, some.finished, some.depth
    return Decoded(tokens, finished, reached)


def _look(world: World, place: Ints, depth: Ints, finished: Bools, looks: Bools) -> Seen:
    """What is seen where a target `looks`, free of charge at a branch's end. The arrays are the caller's own."""
    if looks.all():
        seen = world.look(place, depth, finished)
        return Seen(seen.answer, seen.confidence, np.where(finished, 0, seen.cost))
    answer = np.full(len(place), -1, np.int64)
    confidence = np.full(len(place), np.nan)
    cost = np.zeros(len(place), np.int64)
    looking = np.flatnonzero(looks)
    if looking.size:
        seen = world.look(place[looking], depth[looking], finished[looking])
        answer[looking], confidence[looking] = seen.answer, seen.confidence
        cost[looking] = np.where(finished[looking], 0, seen.cost)
    return Seen(answer, confidence, cost)


def prune(ledger: Ledger, episode: Ints, branch: Ints) -> Ints:
    """PRUNE one branch an entry; returns (n,) `Refusal` values. Entries of one branch twice: the second is refused."""
    refusal = np.zeros(len(episode), np.int64)
    unknown = (branch < 0) | (branch >= ledger.opened[episode])
    place = episode * ledger.width + np.where(unknown, 0, branch)
    known = np.flatnonzero(~unknown)
    again = np.zeros(len(place), bool)
    # From the back, so that the first of several is the one that counts.
    again[known] = ledger.repeated(place[known][::-1])[::-1]
    state = ledger.state[place]
    for wrong, why in (
        (again | (state & PRUNED > 0), Refusal.BRANCH_PRUNED),
        (state & FINISHED > 0, Refusal.BRANCH_FINISHED),
        (unknown, Refusal.UNKNOWN_BRANCH),
        (ledger.over[episode], Refusal.EPISODE_OVER),
    ):
        refusal[wrong] = why
    ledger.state[place[refusal == Refusal.ADMITTED]] |= PRUNED
    return refusal


def _targets(ledger: Ledger, calls: Calls, opens: Bools, call_of_listed: Ints, admitted: Bools) -> tuple[Ints, Ints]:
    """The call and the place of every branch that admitted calls act on; BRANCH and READ open theirs here."""
    opens = admitted & opens
    count = np.where(admitted, calls.count, 0)
    call = np.repeat(np.arange(len(calls.op)), count)
    branch = np.empty(len(call), np.int64)
    opening = opens[call]
    branch[~opening] = calls.branch[admitted[call_of_listed]] if call_of_listed.size else 0
    if opening.any():
        start = np.cumsum(count) - count
        within = np.arange(len(call)) - start[call]
        branch[opening] = (ledger.opened[calls.episode][call] + within)[opening]
        ledger.opened[calls.episode[opens]] += calls.count[opens]
    return call, calls.episode[call] * ledger.width + branch


def _stop_at_budget(
    left: Ints, call: Ints, decoded: Ints, probe_cost: Ints, interval: int, unpromised: Bools
) -> npt.NDArray[np.intp]:
    """Cut `decoded` where calls would spend more than is `left`; returns the targets whose branch was stopped short.

    Every branch of a call first has what admission promised it, one interval and its probe; what remains goes to the
    longer ones in the order of the call. FINISH has no such promise: its branches are read in order.
    """
    wanted = np.bincount(call, weights=(decoded + probe_cost).astype(float), minlength=len(left))
    stopped: list[int] = []
    for short in np.flatnonzero(wanted > left):
        own = np.flatnonzero(call == short)
        promised = np.where(unpromised[own], 0, np.minimum(decoded[own], interval))
        spare = int(left[short] - promised.sum() - probe_cost[own].sum())
        for target, base in zip(own.tolist(), promised.tolist(), strict=True):
            more = min(int(decoded[target]) - base, spare)
            if base + more < decoded[target]:
                decoded[target] = base + more
                stopped.append(target)
            spare -= more
    return np.array(stopped, np.intp)
