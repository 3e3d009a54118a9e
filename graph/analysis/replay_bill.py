"""Costs of replayed episodes in US dollars: branches and probes, and the prompts of probes where recorded.

A grid has the tokens of its branches, and those of its probes where its collector recorded them: decoded ones, and the
prompt tokens that no prefix cache held. It does not have the prompts of the requests that decode branches, nor the
cached tokens of any prompt. Whatever is missing is left out of the sum, and named beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graph.analysis.token_prices import TokenPrices
from sandbox.summary import SummaryRow

NEVER_RECORDED = "prompts of branches, cached prompt tokens"
"""Costs of an episode that no grid has."""


@dataclass(frozen=True)
class ReplayBill:
    """Costs of the rows of an evaluation."""

    dollars: tuple[float | None, ...]
    """Mean cost of an episode in US dollars, row by row; None where even the decoded tokens are not known."""
    note: str
    """The prices, what is counted, and what is left out."""


def replay_bill(rows: Sequence[SummaryRow], prices: TokenPrices) -> ReplayBill:
    """Return the costs of an evaluation's rows.

    Probes whose tokens a grid does not have count as the tokens that they were charged.

    Args:
        rows: The rows.
        prices: Prices of the model's tokens.
    """
    charged = [row for row in rows if row.probe_tokens is None and row.decoded is not None and row.tokens > row.decoded]
    silent = [row for row in rows if row.probe_tokens is None and row not in charged]
    unread = [row for row in rows if row.probe_prefill is None]
    counted = ["branches", *([] if len(silent) == len(rows) else ["probes"])]
    counted += [] if len(unread) == len(rows) else ["prompts of probes"]
    left_out = []
    if silent:
        left_out.append(_missing("tokens of probes", len(silent), len(rows)))
    if unread:
        left_out.append(_missing("prompts of probes", len(unread), len(rows)))
    probes = " (probes without a record at the tokens charged for them)" if charged else ""
    note = f"dollars: {prices} for a million tokens, of {', '.join(counted)}{probes}; left out, as not recorded: "
    note += ", ".join([*left_out, NEVER_RECORDED]) + "; live, every CONTINUE and every probe pays for them"
    return ReplayBill(tuple(_dollars(row, prices) for row in rows), note)


def _missing(name: str, rows: int, of: int) -> str:
    return name if rows == of else f"{name} ({rows} of {of} rows)"


def _dollars(row: SummaryRow, prices: TokenPrices) -> float | None:
    if row.decoded is None:
        return None
    probes = max(0.0, row.tokens - row.decoded) if row.probe_tokens is None else row.probe_tokens
    return prices.dollars(row.decoded + probes, row.probe_prefill or 0.0, 0.0)
