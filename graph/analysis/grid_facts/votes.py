"""Facts on votes: whether the leader is right, what further branches would change, and which signs tell answers apart.

Branches are taken in the orders in which episodes open them. An answer that shares the lead counts by its share.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from envdata.episode_state import Bools, Floats
from envdata.grid_arrays import Int32
from graph.analysis.grid_facts.figures import Contribution
from graph.analysis.grid_facts.question_branches import UNPARSED, QuestionBranches

ENDED = (4, 8, 16)
"""Numbers of branches read to their ends at which further ones are considered."""
MORE = (2, 4)
"""Multiples of them that are read instead."""
LEADS = (0.5, 1.0, 1.5, 2.0)
"""Bounds of the classes of leads, in standard deviations: (v₁ − v₂) ÷ √(v₁ + v₂) for v₁ and v₂ votes."""
POOLS = (8, 16, 32, 64)
"""Numbers of branches opened at once."""
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of such a pool that have ended, at which its vote is looked at."""
SIGNS_OF = 16
"""Branches read of a question where answers with two votes or more are told apart."""
RETENTION = (0.5, 0.75, 0.9)
"""Bounds of the classes of retention: of the branches that ever gave an answer, the share that ends with it."""
CLEAR = 1.5
"""Lead in standard deviations that divides the leaders whose retention is told."""


def vote_facts(own: QuestionBranches, orders: Sequence[Int32]) -> Iterator[Contribution]:
    """Yield what one question contributes to the facts on votes.

    | fact | ratio |
    |---|---|
    | vote, n | share of votes of n whole branches that are right, and `vote tokens`, their tokens |
    | state, n, c | share of the votes of n whole branches whose lead is in class c |
    | right, n, c, m | of these, the share that is right after m · n branches (m = 1: now) |
    | change, n, c, m | that share less the share that is right now |
    | more, n, c, m | tokens of the m · n − n branches in between |
    | pool, n, s | share right by the votes of the first s · n to end, of n branches opened at once |
    | pool gain, n, s | that less the share right by the votes of all n |
    | pool live, n, s | share right with the present answers of the others as votes too |
    | pool tokens, pool depth | tokens of the pool until then, and of its deepest branch |
    | answer, sign | probability that a sign picks the right one of it and a wrong answer, with two votes or more each |
    | rival, sign | the same where the wrong answer has as many votes or more |
    | kept, i, c | share of the votes whose leader's retention and lead are in classes i and c |
    | kept right, i, c | of these, the share that is right |

    Args:
        own: Branches of the question.
        orders: Branch orders, each of at least one branch.
    """
    most = min(len(order) for order in orders)
    taken = np.stack([order[:most] for order in orders])
    hot = _one_hot(own)
    after = hot[taken].cumsum(axis=1)
    right = _leader_right(after, own.gold)
    spent = own.tokens[taken].cumsum(axis=1)
    total = float(len(taken))
    for count in sorted({1, *POOLS, *ENDED}):
        if count <= most:
            yield ("vote", count), float(right[:, count - 1].sum()), total
            yield ("vote tokens", count), float(spent[:, count - 1].sum()), total
    for count in ENDED:
        if count <= most:
            yield from _further(count, most, after, right, spent)
    for size in POOLS:
        if size <= most:
            yield from _pool(own, hot, taken[:, :size])
    if most >= SIGNS_OF:
        for pool, votes in zip(taken[:, :SIGNS_OF], own.final[taken[:, :SIGNS_OF]], strict=True):
            yield from _told_apart(own, pool, votes)


def _one_hot(own: QuestionBranches) -> Floats:
    """Return the vote of each branch at its end, shape (N, C); a row of zeros where it gives no answer."""
    codes = int(own.answers.max(initial=0)) + 1
    hot = np.zeros((len(own.final), max(codes, own.gold + 1)))
    votes = np.flatnonzero(own.final != UNPARSED)
    hot[votes, own.final[votes]] = 1.0
    return hot


def _leader_right(votes: Floats, gold: int) -> Floats:
    """Return the share of the leading answers that are right, along the last axis of votes (…, C)."""
    if gold < 0:
        return np.zeros(votes.shape[:-1])
    top = votes.max(axis=-1)
    leading = votes == top[..., None]
    share: Floats = np.where(top > 0, leading[..., gold] / leading.sum(axis=-1), 0.0)
    return share


def _further(count: int, most: int, after: Floats, right: Floats, spent: Floats) -> Iterator[Contribution]:
    """Yield the facts on what further branches change after `count` of them."""
    votes = after[:, count - 1]
    first, second = _two_largest(votes)
    lead = (first - second) / np.sqrt(np.maximum(first + second, 1.0))
    classes = np.searchsorted(LEADS, lead, side="right")
    now = right[:, count - 1]
    for place in range(len(LEADS) + 1):
        here: Bools = classes == place
        number = float(here.sum())
        yield ("state", count, place), number, float(len(here))
        yield ("right", count, place, 1), float(now[here].sum()), number
        for times in MORE:
            if times * count <= most:
                then = right[:, times * count - 1]
                paid = spent[:, times * count - 1] - spent[:, count - 1]
                yield ("right", count, place, times), float(then[here].sum()), number
                yield ("change", count, place, times), float((then - now)[here].sum()), number
                yield ("more", count, place, times), float(paid[here].sum()), number


def _two_largest(votes: Floats) -> tuple[Floats, Floats]:
    """Return the largest and the second largest along the last axis of (R, C); the second is 0 with one answer."""
    if votes.shape[-1] < 2:
        return votes[..., 0], np.zeros(votes.shape[:-1])
    ranked = np.partition(votes, -2, axis=-1)
    return ranked[..., -1], ranked[..., -2]


def _pool(own: QuestionBranches, hot: Floats, pools: Int32) -> Iterator[Contribution]:
    """Yield the facts on pools, shape (R, n), whose branches are opened at once and advance together."""
    size, total = pools.shape[1], float(len(pools))
    lengths = own.tokens[pools]
    ranked = np.argsort(lengths, axis=1, kind="stable")
    columns = own.answers.shape[1]
    whole = _leader_right(hot[pools].sum(axis=1), own.gold)
    for share in SHARES:
        ended = max(1, round(share * size))
        first = np.take_along_axis(pools, ranked[:, :ended], axis=1)
        depth = own.ends[first].max(axis=1)
        votes = hot[first].sum(axis=1)
        reached = np.minimum(lengths, (own.interval * (depth + 1))[:, None])
        right = _leader_right(votes, own.gold)
        yield ("pool", size, share), float(right.sum()), total
        yield ("pool gain", size, share), float((right - whole).sum()), total
        yield ("pool tokens", size, share), float(reached.sum()), total
        yield ("pool depth", size, share), float(reached.max(axis=1).sum()), total
        present = own.answers[pools, np.minimum(depth, columns - 1)[:, None]]
        live = np.zeros_like(votes)
        for row, codes in enumerate(present):
            live[row] = np.bincount(codes[codes != UNPARSED], minlength=live.shape[1])
        yield ("pool live", size, share), float(_leader_right(live, own.gold).sum()), total


def _told_apart(own: QuestionBranches, pool: Int32, votes: Int32) -> Iterator[Contribution]:
    """Yield the facts on the answers of whole branches: signs of the right one, and the leader's retention."""
    counts = np.bincount(votes[votes != UNPARSED], minlength=max(2, own.gold + 1))
    given, reached, tokens = own.answers[pool], own.reached[pool], own.tokens[pool]
    ranked = np.argsort(-counts, kind="stable")
    leader, first, second = int(ranked[0]), float(counts[ranked[0]]), float(counts[ranked[1]])

    def left(code: int) -> float:
        """Return the number of branches that gave an answer and ended with another."""
        return float((((given == code) & reached).any(axis=1) & (votes != code)).sum())

    if first > second:
        group = int(np.searchsorted(RETENTION, first / (first + left(leader)), side="right"))
        clear = int((first - second) / (first + second) ** 0.5 >= CLEAR)
        for place in range(len(RETENTION) + 1):
            for lead in (0, 1):
                yield ("kept", place, lead), float((place, lead) == (group, clear)), 1.0
        yield ("kept right", group, clear), float(leader == own.gold), 1.0
    if own.gold < 0 or counts[own.gold] < 2:
        return

    def signs(code: int) -> dict[str, float]:
        voters, gone = votes == code, left(code)
        return {
            "more votes": float(counts[code]),
            "larger share kept of the branches that ever gave it": float(counts[code]) / (float(counts[code]) + gone),
            "shorter branches": -float(tokens[voters].mean()),
            "its shortest branch is shorter": -float(tokens[voters].min()),
        }

    best = signs(own.gold)
    for code in np.flatnonzero(counts >= 2).tolist():
        if code == own.gold:
            continue
        for sign, value in signs(code).items():
            ranked_first = float(best[sign] > value) + 0.5 * float(best[sign] == value)
            yield ("answer", sign), ranked_first, 1.0
            if counts[code] >= counts[own.gold]:
                yield ("rival", sign), ranked_first, 1.0
