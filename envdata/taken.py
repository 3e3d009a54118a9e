"""Intervals that were taken from sealed branches and told afterwards, one call each (`Op.TAKEN`).

What is told is judged here as if it were asked for now. Whether it is what was taken, only the holder of the seals
knows.
"""

import numpy as np

from envdata import rules
from envdata.actions import Op
from envdata.ledger import PRUNED, Bools, Calls, Costs, Ints, Ledger
from envdata.rules import Course, Settled, World

_BRANCH, _CONTINUE = int(Op.BRANCH), int(Op.CONTINUE)


def impossible(ledger: Ledger, episode: Ints, count: Ints, branch: Ints) -> Bools:
    """(k,) of which entries not all can have been taken: k episodes, with `count` branches each in `branch`, in order.

    Branches are opened in their order; pruned ones, and those of an episode that has ended, go no further.
    """
    entry = np.arange(len(episode)).repeat(count)
    own = episode[entry]
    wrong = (branch < 0) | (branch >= ledger.ceiling[own]) | ledger.over[own]
    place = own * ledger.width + branch.clip(0, ledger.width - 1)
    wrong |= ledger.state[place] & PRUNED > 0
    first = np.zeros(len(branch), bool)
    first[np.unique(entry * ledger.width + branch.clip(0, ledger.width - 1), return_index=True)[1]] = True
    opening = (first & (branch >= ledger.opened[own])).nonzero()[0]
    rank = np.arange(len(opening)) - np.searchsorted(entry[opening], entry[opening])
    wrong[opening] |= branch[opening] != ledger.opened[own[opening]] + rank
    return np.bincount(entry, wrong, minlength=len(episode)) > 0


def settle(
    ledger: Ledger, episode: Ints, count: Ints, branch: Ints, world: World, costs: Costs
) -> tuple[Calls, Course]:
    """Carry out what was taken, of which nothing is `impossible`; the calls are k, one an episode."""
    k = len(episode)
    entry = np.arange(k).repeat(count)
    step = np.arange(len(entry)) - (count.cumsum() - count).repeat(count)
    own = episode[entry]
    place = own * ledger.width + branch
    # How often each place was named before.
    order = place.argsort(kind="stable")
    begins = np.searchsorted(place[order], place[order])
    nth = np.empty(len(place), np.int64)
    nth[order] = np.arange(len(place)) - begins
    last = np.zeros(len(place), bool)
    ends = np.append(place[order][1:] != place[order][:-1], True)[: len(place)]
    last[order[ends]] = True
    opens = (branch >= ledger.opened[own]) & (nth == 0)
    op = np.where(opens, _BRANCH, _CONTINUE)
    ledger.opened[episode] += np.bincount(entry, opens, minlength=k).astype(np.int64)
    before = ledger.tokens[episode]
    ones = np.ones(len(entry), np.int64)
    calls = Calls(own, op, ones > 0, ones, ones)
    done = rules.carry_out(
        ledger, calls, 0 * ones, np.arange(len(entry)), place, ledger.depth[place] + nth, world, costs,
        last.nonzero()[0],
    )  # fmt: skip
    sums = np.append(0, done.cost.cumsum())
    total = before[entry] + sums[1:] - sums[(count.cumsum() - count)][entry]
    none = np.zeros(k, np.int64)
    settled = Settled(
        none, entry, done.place, done.depth, done.finished, done.revealed, done.answer, done.confidence, done.cost
    )
    told = Calls(episode, none + int(Op.TAKEN), none > 0, count, branch)
    return told, Course(settled, count, none, none, step, op, step, total)
