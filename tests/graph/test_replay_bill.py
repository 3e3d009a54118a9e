"""What replayed episodes would cost in dollars, and what is left out of it."""

from pathlib import Path

import pytest

from envdata.intervals import Interval
from graph.analysis.evaluation import evaluate
from graph.analysis.replay_bill import replay_bill
from graph.analysis.token_prices import TokenPrices
from sandbox.summary import SummaryRow
from tests import grids

PRICES = TokenPrices(2e6, 1e6, 0.5e6)
"""In dollars a token: 2, 1 and 0.5."""


def row(decoded: float | None, probes: float | None, prefill: float | None, tokens: float = 100.0) -> SummaryRow:
    return SummaryRow(
        "c", "g", 0.5, "ok", Interval(0.5, 0.4, 0.6), tokens, 50.0, 20.0, 4.0, 10, {}, None, decoded, probes, prefill
    )


@pytest.mark.parametrize(
    ("given", "dollars", "left_out"),
    [
        (row(100, 10, 30), 2 * 110 + 30, "not recorded: prompts of branches, cached prompt tokens"),
        (row(100, 10, None), 2 * 110, "not recorded: prompts of probes, prompts of branches"),
        (row(100, None, None), 2 * 100, "not recorded: tokens of probes, prompts of probes, prompts of branches"),
        (row(80, None, None), 2 * 100, "not recorded: prompts of probes, prompts of branches"),
        (row(None, None, None), None, "tokens of probes"),
    ],
    ids=["all", "no prefill", "no probes", "probes as charged", "an earlier run"],
)
def test_what_is_not_recorded_is_left_out_and_named(given: SummaryRow, dollars: float | None, left_out: str) -> None:
    bill = replay_bill([given], PRICES)
    assert bill.dollars == (dollars,)
    assert left_out in bill.note
    assert bill.note.endswith("live, every CONTINUE and every probe pays for them")


def test_where_some_grids_record_more_than_others_it_says_how_many() -> None:
    assert "prompts of probes (1 of 2 rows)" in replay_bill([row(100, 10, 30), row(100, 10, None)], PRICES).note


@pytest.mark.bubblewrap
def test_an_evaluation_in_dollars(tmp_path: Path) -> None:
    grid = grids.write_priced(tmp_path)
    result = evaluate(["sc", "cmc"], grid, betas=[0, 1], repeats=2, prices="2,1,0.5", sandbox="bubblewrap")
    table = result.table.to_pylist()
    assert {each["controller"] for each in table} == {"sc", "cmc"}
    for each in table:
        assert each["dollars"] == pytest.approx(2 * (each["decoded"] + each["probe_tokens"]) / 1e6)
    assert "dollars: $2 decoded" in str(result)
    assert "left out" in str(result)
    assert "$" not in str(evaluate("sc", grid, betas=[0], repeats=1, sandbox="bubblewrap"))
