import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdata.collect.cut_points import closing_after, cuts, recorded_intervals

CLOSING = "\nAnswer:"


@pytest.mark.parametrize(
    ("tokens", "interval", "expected"),
    [(1, 5, 0), (5, 5, 0), (6, 5, 1), (10, 5, 1), (11, 5, 2), (29, 4, 7), (3, 1, 2)],
)
def test_number_of_cuts(tokens, interval, expected):
    assert recorded_intervals(tokens, interval) == expected
    assert len(cuts(tokens, interval)) == expected


@given(st.integers(1, 500), st.integers(1, 60))
def test_what_follows_the_last_cut_is_never_empty_nor_longer_than_an_interval(tokens, interval):
    lengths = [0, *cuts(tokens, interval)]
    assert all(after - before == interval for before, after in itertools.pairwise(lengths))
    assert 1 <= tokens - lengths[-1] <= interval


@pytest.mark.parametrize(("tokens", "interval"), [(0, 5), (5, 0)])
def test_impossible_lengths_are_refused(tokens, interval):
    with pytest.raises(ValueError, match="start at 1"):
        recorded_intervals(tokens, interval)


@pytest.mark.parametrize(
    ("prefix", "appended"),
    [
        (" 3 * 4 =", CLOSING),
        (" 3 * 4 = 12.\n", "Answer:"),
        (" 3 * 4 = 12.\nAns", "wer:"),
        (" 3 * 4 = 12.\nAnswer:", ""),
        (" the Answer", CLOSING),
        ("", CLOSING),
    ],
)
def test_a_closing_that_has_begun_is_only_completed(prefix, appended):
    assert closing_after(prefix, CLOSING) == appended
