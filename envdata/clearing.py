"""When the vote of answers that come in one group after the other is clear: where IN_TURN calls stop.

After each group the leading answer's votes are compared with those of the second: with v votes for the second it takes
`clear[v]`, and where `clear` has no more entries the vote is not clear at all. What votes is all that the call has
revealed so far, or, where groups vote *afresh*, the latest group alone.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from envdata.ledger import Ints, Turns, first_of_each


def is_clear(codes: Sequence[int], clear: Sequence[int]) -> bool:
    """Whether the vote of answers, by their codes, is clear."""
    ranked = [count for _, count in Counter(codes).most_common(2)]
    first, second = (*ranked, 0, 0)[:2]
    return first > 0 and second < len(clear) and first >= clear[second]


def reads(turns: Turns, call: Ints, slot: Ints, code: Ints) -> Ints:
    """(k,) how many branches each of k calls reads until its vote is clear, or all of them.

    The T entries are what its branches would answer, call after call and in the order of reading: their calls in
    0 … k − 1, the how many-th of the call each is, and the codes of their answers.
    """
    most = np.bincount(call, minlength=len(turns.abreast))
    if not turns.sizes.any():
        return most
    abreast = turns.abreast[call]
    group = np.where(turns.afresh[call], slot // abreast, 0)
    poll = call * (int(group.max(initial=0)) + 1) + group
    first, second = _standings(poll, code)
    last = np.ones(len(call), bool)
    last[:-1] = call[1:] != call[:-1]
    polled = (((slot + 1) % abreast == 0) | last) & (second < turns.sizes[call])
    at = np.flatnonzero(polled)
    own = call[at]
    needed = turns.clear[(turns.sizes.cumsum() - turns.sizes)[own] + second[at]]
    clear = first[at] >= needed
    np.minimum.at(most, own[clear], slot[at[clear]] + 1)
    return most


def _standings(poll: Ints, code: Ints) -> tuple[Ints, Ints]:
    """The votes of the leading answer and of the second, after each entry; polls follow one another."""
    key = poll * (int(code.max(initial=0)) + 1) + code
    votes = _votes(key)
    # Figures of one poll lie above those of the polls before it, so that maxima do not reach across.
    base = poll * (int(votes.max(initial=0)) + 1)
    highest = np.maximum.accumulate(base + votes)
    before = np.maximum(np.concatenate([[0], highest[:-1]]) - base, 0)
    leads = np.flatnonzero(votes > before)
    # Who takes the lead from another leaves it in the second place; who does not lead may be second itself.
    taken = leads[first_of_each(key[leads])]
    following = votes.copy()
    following[leads] = 0
    following[taken] = before[taken]
    return highest - base, np.maximum.accumulate(base + following) - base


def _votes(key: Ints) -> Ints:
    """How many entries up to each one have the same key, itself included."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = first_of_each(ordered)
    counts = np.diff(np.append(starts, len(key)))
    votes = np.empty(len(key), np.int64)
    votes[order] = np.arange(len(key)) - starts.repeat(counts) + 1
    return votes
