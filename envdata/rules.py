"""The rules of an episode: admissibility, costs and effects of actions.

They stand here and nowhere else. They are written over arrays, so that the calls of many episodes are applied at once;
one episode is simply an array of length one. The source of branches (`BranchSource`: a grid or a live model) says how a
branch goes on; the rules say whether it may, and charge for it.

A call applies one action to distinct branches of one episode, all or nothing. Costs are in tokens (paper, Section 2,
except that the last interval of a branch costs its actual length): each branch advanced costs the tokens that the
source decoded, at most Δ unless it is the branch's last step; a probe costs κ; revealing a final answer costs nothing.
A call takes as long as its longest branch (sequential tokens), and calls add up.

A call is admitted if its worst case, Δ + κ for each branch, fits the remaining budget. A last step longer than Δ, and
FINISH, have unknown lengths; they run until the budget is spent and leave their branch unfinished: admission never
depends on what is not yet revealed.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envdata.actions import Op, Refusal
from envdata.admission import refusals
from envdata.episode_state import (
    FINISHED,
    PROBED,
    PRUNED,
    UNLIMITED,
    Bools,
    Calls,
    Costs,
    EpisodeStates,
    Floats,
    Ints,
    first_of_each,
)

# Members of an enumeration are slow to look up in Python 3.11.
_BRANCH, _FINISH = int(Op.BRANCH), int(Op.FINISH)
_PROBE, _READ = int(Op.PROBE), int(Op.READ)


@dataclass(frozen=True)
class BranchProgress:
    """Progress of N branches."""

    tokens: Ints
    """Tokens decoded, shape (N,)."""
    finished: Bools
    """Whether the branch reached its end, shape (N,)."""
    depth: Ints
    """Intervals decoded so far, with the new ones, shape (N,)."""


@dataclass(frozen=True)
class RevealedAnswers:
    """Answers of N branches, from probes or final."""

    answer: Ints
    """The source's code of each answer, shape (N,)."""
    confidence: Floats
    """Mean log-probability of the answer's tokens, NaN where it is unknown, shape (N,)."""
    cost: Ints
    """κ of each probe in tokens, shape (N,); not charged for a finished branch."""


class BranchSource(Protocol):
    """Source of the branches of many episodes. Places are flat: episode × width + branch.

    Returned arrays belong to the caller, which changes them.
    """

    def decode(self, places: Ints, depth: Ints, charged: Ints, to_end: Bools) -> BranchProgress:
        """Decode N branches by one interval, or to their ends.

        Args:
            places: The places of the branches, shape (N,).
            depth: Intervals decoded of each branch so far, shape (N,).
            charged: Tokens charged for decoding each branch so far, shape (N,).
            to_end: Which branches are decoded to their ends, shape (N,).
        """
        ...

    def partial_depth(self, places: Ints, charged: Ints) -> Ints:
        """Return the number of whole intervals in the `charged` tokens of branches that stopped at the budget."""
        ...

    def look(self, places: Ints, depth: Ints, finished: Bools) -> RevealedAnswers:
        """Return answers from the branches' present prefixes, final answers where `finished`."""
        ...


@dataclass(frozen=True)
class SettledCalls:
    """Results of n calls. A refused call has no targets; T counts the targets of all admitted calls."""

    refusal: Ints
    """`Refusal` of each call, shape (n,)."""
    call: Ints
    """The call of each target, ascending, shape (T,)."""
    place: Ints
    """Place of each target, episode × width + branch, shape (T,)."""
    depth: Ints
    """Intervals decoded after the call, shape (T,)."""
    finished: Bools
    """Whether the branch is finished, shape (T,)."""
    revealed: Bools
    """Whether an answer was revealed, shape (T,)."""
    answer: Ints
    """The source's code of the answer, −1 where none was revealed, shape (T,)."""
    confidence: Floats
    """Confidence of the answer, NaN where there is none, shape (T,)."""
    cost: Ints
    """Tokens charged, with the probe, shape (T,)."""


def apply_calls(states: EpisodeStates, calls: Calls, source: BranchSource, costs: Costs) -> SettledCalls:
    """Admit or refuse calls, advance the branches of admitted ones, and charge for them.

    Args:
        states: The state of all episodes, which is changed.
        calls: The n calls, each of another episode.
        source: The source of the branches.
        costs: The largest costs and the budget.
    """
    opens = (calls.op == _BRANCH) | (calls.op == _READ)
    opening = bool(opens.any())
    call_of_listed = np.repeat(np.arange(len(calls.op)), np.where(opens, 0, calls.count) if opening else calls.count)
    refusal = refusals(states, calls, opens, call_of_listed, costs)
    if opening or refusal.any():
        call, place = _targets(states, calls, opens, call_of_listed, refusal == Refusal.ADMITTED)
    else:
        call, place = call_of_listed, calls.episode[call_of_listed] * states.width + calls.branch
    depth = states.depth[place]
    episode, op = calls.episode[call], calls.op[call]
    to_end = (op == _FINISH) | (op == _READ)
    decoded = _decode(states, source, place, depth, to_end, op != _PROBE)
    tokens, finished, reached = decoded.tokens, decoded.finished, decoded.depth
    looks = finished | (calls.probe[call] & ~to_end) | (op == _PROBE)
    seen = _look(source, place, reached, finished, looks)
    answer, confidence, probe_cost = seen.answer, seen.confidence, seen.cost

    if costs.budget < UNLIMITED:
        left = costs.budget - states.tokens[calls.episode]
        stopped = _stop_at_budget(left, call, tokens, probe_cost, costs.interval, op == _FINISH)
        if stopped.size:
            # A branch that was finished before (`Costs.repeats_last`) stays finished.
            finished[stopped] = states.flags[place[stopped]] & FINISHED > 0
            looks[stopped] = False
            answer[stopped], confidence[stopped], probe_cost[stopped] = -1, np.nan, 0
            spent = states.charged[place[stopped]] + tokens[stopped]
            reached[stopped] = np.maximum(depth[stopped], source.partial_depth(place[stopped], spent))

    cost = tokens + probe_cost
    if cost.size:
        starts = first_of_each(call)
        # Calls are of distinct episodes, so no index occurs twice.
        states.tokens[episode[starts]] += np.add.reduceat(cost, starts)
        states.sequential[episode[starts]] += np.maximum.reduceat(cost, starts)
    stayed = np.flatnonzero(reached == depth)
    probed = looks * PROBED
    if stayed.size:
        probed[stayed] |= states.flags[place[stayed]] & PROBED
    states.flags[place], states.depth[place] = probed | finished * FINISHED, reached
    states.charged[place] += tokens
    if costs.probe:
        states.looked[place] += probe_cost
    return SettledCalls(refusal, call, place, reached, finished, looks, answer, confidence, cost)


def _decode(
    states: EpisodeStates, source: BranchSource, place: Ints, depth: Ints, to_end: Bools, decodes: Bools
) -> BranchProgress:
    """Return the progress of all targets, of which only those that `decodes` names advance."""
    if decodes.all():
        return source.decode(place, depth, states.charged[place], to_end)
    tokens, finished, reached = np.zeros(len(place), np.int64), np.zeros(len(place), bool), depth.copy()
    going = np.flatnonzero(decodes)
    if going.size:
        own = place[going]
        progress = source.decode(own, depth[going], states.charged[own], to_end[going])
        tokens[going], finished[going], reached[going] = progress.tokens, progress.finished, progress.depth
    return BranchProgress(tokens, finished, reached)


def _look(source: BranchSource, place: Ints, depth: Ints, finished: Bools, looks: Bools) -> RevealedAnswers:
    """Return the answers of the targets that `looks` names, −1 for the others; final answers are free."""
    if looks.all():
        seen = source.look(place, depth, finished)
        return RevealedAnswers(seen.answer, seen.confidence, np.where(finished, 0, seen.cost))
    answer = np.full(len(place), -1, np.int64)
    confidence = np.full(len(place), np.nan)
    cost = np.zeros(len(place), np.int64)
    looking = np.flatnonzero(looks)
    if looking.size:
        seen = source.look(place[looking], depth[looking], finished[looking])
        answer[looking], confidence[looking] = seen.answer, seen.confidence
        cost[looking] = np.where(finished[looking], 0, seen.cost)
    return RevealedAnswers(answer, confidence, cost)


def prune(states: EpisodeStates, episode: Ints, branch: Ints) -> Ints:
    """PRUNE one branch for each entry; of two entries for one branch the second is refused.

    Args:
        states: The state of all episodes, which is changed.
        episode: The episode of each entry, shape (n,).
        branch: The branch of each entry, shape (n,).

    Returns:
        `Refusal` values, shape (n,).
    """
    refusal = np.zeros(len(episode), np.int64)
    unknown = (branch < 0) | (branch >= states.opened[episode])
    place = episode * states.width + np.where(unknown, 0, branch)
    known = np.flatnonzero(~unknown)
    again = np.zeros(len(place), bool)
    # Reversed, so that the first of several entries for one branch is the one that counts.
    again[known] = states.repeated(place[known][::-1])[::-1]
    flags = states.flags[place]
    for refused, reason in (
        (again | (flags & PRUNED > 0), Refusal.BRANCH_PRUNED),
        (flags & FINISHED > 0, Refusal.BRANCH_FINISHED),
        (unknown, Refusal.UNKNOWN_BRANCH),
        (states.over[episode], Refusal.EPISODE_OVER),
    ):
        refusal[refused] = reason
    states.flags[place[refusal == Refusal.ADMITTED]] |= PRUNED
    return refusal


def _targets(
    states: EpisodeStates, calls: Calls, opens: Bools, call_of_listed: Ints, admitted: Bools
) -> tuple[Ints, Ints]:
    """Return the call and the place of every branch that admitted calls act on; BRANCH and READ open theirs here."""
    opens = admitted & opens
    count = np.where(admitted, calls.count, 0)
    call = np.repeat(np.arange(len(calls.op)), count)
    branch = np.empty(len(call), np.int64)
    opening = opens[call]
    branch[~opening] = calls.branch[admitted[call_of_listed]] if call_of_listed.size else 0
    if opening.any():
        start = np.cumsum(count) - count
        within = np.arange(len(call)) - start[call]
        branch[opening] = (states.opened[calls.episode][call] + within)[opening]
        states.opened[calls.episode[opens]] += calls.count[opens]
    return call, calls.episode[call] * states.width + branch


def _stop_at_budget(
    left: Ints, call: Ints, decoded: Ints, probe_cost: Ints, interval: int, unpromised: Bools
) -> npt.NDArray[np.intp]:
    """Shorten `decoded` where a call would spend more than is `left`; return the targets that were stopped.

    Every branch of a call first gets the interval and the probe that admission promised; the rest goes to the longer
    ones in the order of the call. FINISH has no such promise (`unpromised`): its branches are decoded in order.
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
