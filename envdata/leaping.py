"""All calls of a call that stands for several at once, where the world's branches are recorded.

Where the programs of `envdata.several` stop follows from what is recorded: when a branch ends, when one turns to the
leader or away from it. So the calls that they come to are known beforehand, and are carried out together, by the same
rules as any others. What lies behind the stop is looked at here, by the host, and revealed to nobody.

Moments are counted in half rounds: 2r is the end of round r, 2r + 1 is when branches were opened after it.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from envdata import clearing, rules
from envdata.actions import Op, Refusal
from envdata.admission import judge
from envdata.ledger import Bools, Calls, Costs, Ints, Ledger
from envdata.rules import Course, LabelOf, Settled, World

_BRANCH, _CONTINUE, _READ = int(Op.BRANCH), int(Op.CONTINUE), int(Op.READ)
_ROUNDS, _IN_TURN = int(Op.ROUNDS), int(Op.IN_TURN)


@runtime_checkable
class Recorded(World, Protocol):
    """A world whose branches are known to their ends."""

    def ends(self, places: Ints) -> Ints:
        """The depth at which each branch is at its end."""
        ...

    def answers(self, places: Ints, depth: Ints) -> Ints:
        """The codes of what branches answer at `depth`, revealing nothing."""
        ...


@dataclass
class _Targets:
    """What calls act on or may open, one entry a branch."""

    call: Ints
    place: Ints
    slot: Ints
    """The how many-th of its call."""
    opened: Bools
    """Whether it is opened in the course of rounds."""
    begins: Ints
    """The round after which that is, 0 before the first; 0 for one that was open before, −1 where opening is all."""
    depth: Ints
    """Intervals decoded before; 0 for one that is opened."""
    stride: Ints
    """Intervals a round."""
    end: Ints
    """The depth at which it is at its end."""
    fast: Bools

    def only(self, kept: Bools) -> "_Targets":
        """Some of them."""
        return _Targets(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))

    def ends_at(self) -> Ints:
        """The moment at which each is at its end."""
        opened_at_end = self.opened & (self.end == 1)
        whole = -(-(self.end - np.maximum(self.depth, self.opened)) // self.stride)
        moments: Ints = 2 * (self.begins + whole) + opened_at_end
        return moments


def foreseeable(ledger: Ledger, calls: Calls) -> Bools:
    """(n,) which calls can be settled here: looking ones, with branches that are sure to be there to be opened."""
    op, asked = calls.op, calls.rounds
    looking = (op == _READ) | ((op == _BRANCH) | (op == _CONTINUE)) & calls.probe
    possible: Bools = (op == _IN_TURN) | looking & (calls.count > 0)
    rounded = op == _ROUNDS
    room = (ledger.ceiling - ledger.opened)[calls.episode[rounded]]
    opens = _may_open(asked.opening, asked.widen, asked.most)
    possible[rounded] = (opens == 0) | ((opens <= room) & ~(asked.through & (opens > asked.opening)))
    return possible


def settle(ledger: Ledger, calls: Calls, world: Recorded, costs: Costs, label_of: LabelOf) -> Course:
    """Carry out calls that are `foreseeable`; there is no budget."""
    n, op = len(calls.op), calls.op
    rounded = op == _ROUNDS
    lists = rounded | (op == _CONTINUE)
    each = np.where(rounded, _CONTINUE, np.where(op == _IN_TURN, _READ, op))
    first = Calls(calls.episode, each, np.ones(n, bool), calls.count, calls.branch)
    listed = np.arange(n).repeat(np.where(lists, calls.count, 0))
    refusal = judge(ledger, first, ~lists, listed, costs)
    admitted = refusal == Refusal.ADMITTED
    asked = _asked(calls, rounded)
    opens, abreast = np.where(lists, 0, calls.count) * admitted, np.maximum(1, calls.count)
    turning = np.flatnonzero(op == _IN_TURN)
    if turning.size:
        abreast[turning] = calls.turns.abreast
        opens[turning] = _read(ledger, calls, world, turning, opens[turning])
    parts = [_going(ledger, calls, world, listed, rounded, asked)]
    if not lists.all():
        parts.append(_opened(ledger, calls, opens))
    more = _may_open(asked["opening"], asked["widen"], asked["most"])
    if more.any():
        parts.append(_to_open(ledger, calls, world, asked, more))
    targets = _together(parts)
    if not admitted.all():
        targets = targets.only(admitted[targets.call])
    stop = _stops(calls, world, targets, asked, label_of)
    if len(parts) > 1:
        targets = targets.only(2 * targets.begins < stop[targets.call])
    taken = np.where(lists & admitted, stop // 2, 0)
    opens += np.where(lists & admitted, asked["opening"] + asked["widen"] * (taken - 1 + stop % 2), 0)
    # What opens branches before the first round comes before all others.
    before = np.minimum(asked["opening"], 1)
    rows = _rows(targets, taken, asked["burst"], before, each, abreast)
    steps = np.where(lists, before + taken * (asked["burst"] + 1), -(-opens // abreast))
    return _carried_out(ledger, calls, refusal, rows, steps, taken * rounded, opens, world, costs)


def _asked(calls: Calls, rounded: Bools) -> dict[str, Ints]:
    """(n,) what ROUNDS calls ask for; one round for others."""
    asked = {
        name: np.full(len(rounded), usual)
        for name, usual in (("most", 1), ("burst", 1), ("widen", 0), ("leader", -1), ("through", 0), ("opening", 0))
    }
    for name, values in asked.items():
        values[rounded] = getattr(calls.rounds, name)
    return asked


def _going(
    ledger: Ledger, calls: Calls, world: Recorded, listed: Ints, rounded: Bools, asked: dict[str, Ints]
) -> _Targets:
    """The branches that calls list. Those of a refused call may not exist: what is said of them is not used."""
    place = calls.episode[listed] * ledger.width + calls.branch.clip(0, ledger.width - 1)
    count = np.bincount(listed, minlength=len(rounded))
    slot = np.arange(len(listed)) - (count.cumsum() - count).repeat(count)
    end = world.ends(place)
    # Nobody takes more intervals at once than there are.
    asked["burst"] = np.minimum(asked["burst"], end.max(initial=1))
    if rounded.all():
        fast = calls.rounds.fast
    else:
        fast = np.zeros(len(listed), bool)
        fast[rounded[listed]] = calls.rounds.fast
    stride = np.where(fast, asked["burst"][listed], 1)
    none = np.zeros_like(slot)
    return _Targets(listed, place, slot, none > 0, none, ledger.depth[place], stride, end, fast)


def _may_open(opening: Ints, widen: Ints, most: Ints) -> Ints:
    """How many branches calls may open in the course of rounds."""
    return opening + widen * (most - 1)


def _spread(counts: Ints) -> tuple[Ints, Ints]:
    """For each of `counts` entries an owner: who that is, and the how many-th of it the entry is."""
    owner = np.arange(len(counts)).repeat(counts)
    return owner, np.arange(len(owner)) - (counts.cumsum() - counts)[owner]


def _to_open(ledger: Ledger, calls: Calls, world: Recorded, asked: dict[str, Ints], counts: Ints) -> _Targets:
    """The branches that ROUNDS calls may open, `counts` of each: before the first round, and after all but the last."""
    call, nth = _spread(counts)
    episode = calls.episode[call]
    place = episode * ledger.width + np.minimum(ledger.opened[episode] + nth, ledger.width - 1)
    later = nth - asked["opening"][call]
    begins = np.where(later < 0, 0, 1 + later // np.maximum(1, asked["widen"])[call])
    none, opened = np.zeros_like(nth), nth >= 0
    return _Targets(call, place, calls.count[call] + nth, opened, begins, none, none + 1, world.ends(place), none > 0)


def _opened(ledger: Ledger, calls: Calls, counts: Ints) -> _Targets:
    """The branches that BRANCH, READ and IN_TURN calls open, `counts` of each."""
    call, slot = _spread(counts)
    episode = calls.episode[call]
    place = episode * ledger.width + ledger.opened[episode] + slot
    none, one = np.zeros_like(slot), np.ones_like(slot)
    return _Targets(call, place, slot, none > 0, none - 1, none, one, one, none > 0)


def _together(parts: list[_Targets]) -> _Targets:
    """All parts, call after call."""
    if len(parts) == 1:
        return parts[0]
    order = np.concatenate([part.call for part in parts]).argsort(kind="stable")
    return _Targets(
        *(np.concatenate([getattr(part, name) for part in parts])[order] for name in _Targets.__dataclass_fields__)
    )


def _stops(calls: Calls, world: Recorded, targets: _Targets, asked: dict[str, Ints], label_of: LabelOf) -> Ints:
    """(n,) the moment at which each call stops."""
    stop: Ints = 2 * asked["most"]
    ends = targets.ends_at()
    through = asked["through"][targets.call] > 0
    np.minimum.at(stop, targets.call[~through], ends[~through])
    if through.any():
        # Without any branch left there is nothing to go on with.
        last = np.zeros_like(stop)
        np.maximum.at(last, targets.call[through], ends[through])
        stop = np.where(last > 0, np.minimum(stop, last), stop)
    led = targets.only((asked["leader"] >= 0)[targets.call])
    if led.call.size:
        _stop_at_turns(stop, calls, world, led, asked["leader"], label_of)
    return stop


def _stop_at_turns(
    stop: Ints, calls: Calls, world: Recorded, targets: _Targets, leader: Ints, label_of: LabelOf
) -> None:
    """Stop calls when one of their branches has turned to the leader, or away from it."""
    # A branch at its end turns no more; one that is opened shows its first answer when it is.
    until = np.minimum(stop[targets.call] // 2, (targets.ends_at() - 1) // 2)
    looks = np.maximum(0, until - targets.begins + (targets.opened & (targets.end > 1)))
    at, nth = _spread(looks)
    opened = targets.opened[at]
    # Of one that was open the first look is after a round's steps; of one that is opened, in between.
    depth = np.where(opened, 1 + nth, targets.depth[at] + targets.stride[at] * (nth + 1))
    moment = 2 * (targets.begins[at] + nth + ~opened) + (opened & (nth == 0))
    call = targets.call[at]
    label = label_of(calls.episode[call], world.answers(targets.place[at], depth))
    turned = (label == leader[call]) != targets.fast[at]
    np.minimum.at(stop, call[turned], moment[turned])


@dataclass
class _Rows:
    """Intervals that branches take, call after call, and branch after branch of a call."""

    call: Ints
    step: Ints
    """Which of its call's calls, of as many as there might be."""
    op: Ints
    place: Ints
    slot: Ints
    depth: Ints
    last: Bools
    """Whether it is the branch's last."""


def _rows(targets: _Targets, taken: Ints, burst: Ints, before: Ints, each: Ints, abreast: Ints) -> _Rows:
    """One row an interval. Within a round there is a call for each turn of the burst, and then one that opens.

    `before` counts calls before the first round. Calls without rounds open `abreast` branches at a time, by the action
    that is `each` one's.
    """
    call, opened = targets.call, targets.opened
    rounds = taken[call] - targets.begins
    count = np.minimum(targets.stride * rounds + opened, targets.end - targets.depth)
    at = np.arange(len(count)).repeat(count)
    ends = count.cumsum()
    nth = np.arange(len(at)) - (ends - count)[at]
    call = call[at]
    turns, op = (burst + 1)[call], np.full(len(at), _CONTINUE)
    if (targets.stride > 1).any():
        stride = targets.stride[at]
        # One division in the place of two: they are what takes longest here.
        whole = nth // stride
        step = whole * (turns - stride) + nth
    else:
        step = nth * turns
    if opened.any():
        begun = opened[at]
        step[begun] = ((targets.begins[at] + nth - 1) * turns)[begun]
        opening = (begun & (nth == 0)).nonzero()[0]
        step[opening] += turns[opening] - 1
        op[opening] = _BRANCH
    if before.any():
        step += before[call]
    slot = targets.slot[at]
    alone = (targets.begins < 0)[at].nonzero()[0]
    if alone.size:
        op[alone] = each[call[alone]]
        step[alone] = slot[alone] // abreast[call[alone]]
    last = np.zeros(len(at), bool)
    last[ends[count > 0] - 1] = True
    return _Rows(call, step, op, targets.place[at], slot, targets.depth[at] + nth, last)


def _read(ledger: Ledger, calls: Calls, world: Recorded, turning: Ints, most: Ints) -> Ints:
    """(k,) how many branches IN_TURN calls read, of up to `most`."""
    call, slot = _spread(most)
    episode = calls.episode[turning[call]]
    place = episode * ledger.width + ledger.opened[episode] + slot
    return clearing.reads(calls.turns, call, slot, world.answers(place, world.ends(place)))


def _carried_out(
    ledger: Ledger, calls: Calls, refusal: Ints, rows: _Rows, steps: Ints, taken: Ints, opens: Ints, world: World,
    costs: Costs,
) -> Course:  # fmt: skip
    """The rows as the calls that they make up, of `steps` that there might be, carried out by the rules."""
    n = len(calls.op)
    single, owner, op = _numbered(rows, steps)
    made = np.bincount(owner, minlength=n)
    first = made.cumsum() - made
    before = ledger.tokens[calls.episode]
    ledger.opened[calls.episode] += opens
    one = Calls(calls.episode[owner], op, np.ones(len(op), bool), op, op)
    last = rows.last.nonzero()[0]
    done = rules.carry_out(ledger, one, op, single, rows.place, rows.depth, world, costs, last)
    sums = np.zeros(len(op) + 1, np.int64)
    np.bincount(single, done.cost, minlength=len(op)).cumsum(out=sums[1:], dtype=np.int64)
    total = (before - sums[first])[owner] + sums[1:]
    settled = Settled(
        refusal, rows.call, done.place, done.depth, done.finished, done.revealed, done.answer, done.confidence,
        done.cost,
    )  # fmt: skip
    return Course(settled, made, taken, opens, single - first[rows.call], rows.op, rows.slot, total[single])


def _numbered(rows: _Rows, steps: Ints) -> tuple[Ints, Ints, Ints]:
    """Numbers the calls that are really made: that of each row (T,), and of each call whose it is and its action."""
    might = (steps.cumsum() - steps)[rows.call] + rows.step
    whole = int(steps.sum())
    if whole > 8 * len(might) + 1024:
        _, first, number = np.unique(might, return_index=True, return_inverse=True)
        return number, rows.call[first], rows.op[first]
    which = np.full(whole, -1)
    which[might] = np.arange(len(might))
    made = which >= 0
    number = made.cumsum() - 1
    any_of = which[made]
    return number[might], rows.call[any_of], rows.op[any_of]
