"""When the vote of answers that are read in turn is clear."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdata.clearing import is_clear, reads
from envdata.ledger import Turns

SMALL = st.integers(1, 4)
CALL = st.tuples(st.lists(st.integers(0, 3), max_size=12), SMALL, st.booleans(), st.lists(SMALL, max_size=3))
"""Codes of answers, how many abreast, whether afresh, and what makes the vote clear."""


@pytest.mark.parametrize(
    ("codes", "clear", "expected"),
    [
        ([], [1], False),
        ([5], [1], True),
        ([5], [2], False),
        ([5, 5], [2], True),
        ([5, 5, 7], [2], False),
        ([5, 5, 7], [2, 2], True),
        ([5, 5, 7], [2, 3], False),
        ([5, 5, 7, 7], [1, 1], False),
        ([5, 5, 7, 7], [9, 9, 2], True),
        ([5, 5, 5], [], False),
    ],
)
def test_a_vote_is_clear(codes: list[int], clear: list[int], expected: bool) -> None:
    assert is_clear(codes, clear) is expected


def _asked(calls: Sequence[tuple[list[int], int, bool, list[int]]]) -> Turns:
    return Turns(
        np.array([abreast for _, abreast, _, _ in calls], np.int64),
        np.array([afresh for _, _, afresh, _ in calls], bool),
        np.array([len(clear) for *_, clear in calls], np.int64),
        np.array([votes for *_, clear in calls for votes in clear], np.int64),
    )


def _read(codes: list[int], abreast: int, afresh: bool, clear: list[int]) -> int:
    """One group after the other."""
    for start in range(0, len(codes), abreast):
        end = min(start + abreast, len(codes))
        if is_clear(codes[start if afresh else 0 : end], clear):
            return end
    return len(codes)


@given(st.lists(CALL, max_size=6))
def test_many_calls_at_once_stop_where_each_would(calls: list[tuple[list[int], int, bool, list[int]]]) -> None:
    slots = [(call, slot, code) for call, (codes, *_) in enumerate(calls) for slot, code in enumerate(codes)]
    call, slot, code = np.array(slots, np.int64).reshape(-1, 3).T
    assert reads(_asked(calls), call, slot, code).tolist() == [_read(*one) for one in calls]
