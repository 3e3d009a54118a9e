"""The bill of live episodes: dollars with a judge's, and figures that a server did not tell."""

import pyarrow as pa
import pytest

from graph.analysis.live_bill import bill_lines, bill_object, live_bill
from graph.analysis.token_prices import LivePrices, TokenPrices

MODEL, JUDGE = TokenPrices(2e6, 1e6, 0.5e6), TokenPrices(4e6, 3e6, 0)
"""In dollars a token."""


def episodes(**changes: int) -> pa.Table:
    """Return an episode of each of two questions, equal but for the numbers of their questions."""
    row = {
        "generated": 100, "probe_tokens": 10, "wasted": 2, "estimated": 0, "prompt_tokens": 50, "cached_tokens": 20,
        "requests": 5, "seconds": 1, "judge_requests": 0, "judge_prompt_tokens": 0, "judge_cached_tokens": 0,
        "judge_tokens": 0,
    }  # fmt: skip
    return pa.Table.from_pylist([{"question": question, **row, **changes} for question in (0, 1)])


def test_dollars_of_the_model_and_the_judge() -> None:
    judged = episodes(judge_requests=2, judge_prompt_tokens=30, judge_cached_tokens=10, judge_tokens=7)
    bill = live_bill(judged, LivePrices(MODEL, JUDGE))
    judges = 4 * 7 + 3 * 20
    assert bill["judge_dollars"].value == judges
    assert bill["dollars"].value == 2 * 100 + 30 + 0.5 * 20 + judges
    assert bill_object(bill, LivePrices(MODEL, JUDGE))["judge_prices"] == {"decoded": 4e6, "prefill": 3e6, "cached": 0}
    *_, judge, dollars = bill_lines(bill, LivePrices(MODEL, JUDGE), 4)
    assert "judge: 2.0 (2.0 … 2.0) requests, 30.0" in judge
    assert "$88.00 ($88.00 … $88.00) of them for the judge, at $2e+06 decoded" in dollars
    unpriced = live_bill(judged, LivePrices(MODEL))
    assert unpriced["dollars"].value == 2 * 100 + 30 + 0.5 * 20
    assert "without the judge, whose prices are not known" in bill_lines(unpriced, LivePrices(MODEL), 4)[-1]


@pytest.mark.parametrize(
    ("changes", "said", "not_said"),
    [
        ({}, "20.0 (20.0 … 20.0) cached; 0.30 (0.30 … 0.30) not cached for each", "at most"),
        ({"cached_tokens": 0}, "none reported as cached; at most 0.50 (0.50 … 0.50) not cached for each", "0.0 cached"),
        ({"estimated": 60}, "wasted, 60.0 (60.0 … 60.0) estimated; 1.0 (1.0 … 1.0) s with 8 at once", "judge"),
    ],
)
def test_what_a_server_did_not_tell_is_marked(changes: dict[str, int], said: str, not_said: str) -> None:
    bill = live_bill(episodes(**changes))
    text = "\n".join(bill_lines(bill, None, 8))
    assert said in text
    assert not_said not in text
    assert "$" not in text
