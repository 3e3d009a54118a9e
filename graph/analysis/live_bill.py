"""Costs of live episodes: tokens, requests, seconds and dollars, with 95 % intervals over questions."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from envdata.intervals import Floats, Interval, Sample, unbounded
from envdata.scoring import question_means
from graph.analysis.saving import saved_share
from graph.analysis.token_prices import LivePrices, TokenPrices, in_dollars

COUNTED = ("generated", "probe_tokens", "wasted", "estimated", "prompt_tokens", "cached_tokens", "requests", "seconds",
           "judge_requests", "judge_prompt_tokens", "judge_cached_tokens", "judge_tokens")  # fmt: skip
"""Costs that are counted by episode; those of a judge are in no other count."""


def live_bill(episodes: pa.Table, prices: LivePrices | None = None) -> dict[str, Interval]:
    """Return the mean costs of an episode by name, those of `COUNTED` and a few more.

    `uncached_tokens` are the prompt tokens that came from no prefix cache, and `uncached_per_decoded` their number for
    each token that was decoded, over all episodes together. With prices `dollars` is the cost in US dollars, and
    `judge_dollars` the judge's part of it, where a judge was asked whose prices are known.

    Args:
        episodes: Live episodes (`sandbox.live.validation.Validation.episodes`).
        prices: Prices of the tokens.
    """
    spent = {name: _by_question(episodes, name) for name in COUNTED}
    decoded, prompt, cached = (spent[name] for name in ("generated", "prompt_tokens", "cached_tokens"))
    spent["uncached_tokens"] = prompt - cached
    if prices is not None:
        spent["dollars"] = _in_dollars(prices.model, decoded, prompt, cached)
        if prices.judge is not None and spent["judge_requests"].any():
            judged = (spent[f"judge_{name}"] for name in ("tokens", "prompt_tokens", "cached_tokens"))
            spent["judge_dollars"] = _in_dollars(prices.judge, *judged)
            spent["dollars"] = spent["dollars"] + spent["judge_dollars"]
    bill = {name: unbounded(Sample((values,))) for name, values in spent.items()}
    if decoded.any():
        share = saved_share(Sample((prompt - cached,)), Sample((decoded,)))
        high, low = (None if end is None else 1 - end for end in (share.low, share.high))
        bill["uncached_per_decoded"] = Interval(1 - share.value, low, high)
    return bill


def bill_object(bill: dict[str, Interval], prices: LivePrices | None) -> dict[str, Any]:
    """Return a bill as JSON, each figure with its interval, and the prices of the model and the judge or null."""
    figures = {name: asdict(interval) for name, interval in bill.items()}
    judge = None if prices is None or prices.judge is None else asdict(prices.judge)
    return {**figures, "prices": None if prices is None else asdict(prices.model), "judge_prices": judge}


def bill_lines(bill: dict[str, Interval], prices: LivePrices | None, at_once: int) -> list[str]:
    """Return a bill as lines of text: means of an episode with their intervals.

    Args:
        bill: The bill.
        prices: The prices of its dollars.
        at_once: Number of questions that were solved at the same time, on which the seconds depend.
    """

    def mean(name: str, form: str = ",.1f") -> str:
        return bill[name].text(1, form)

    estimated = f", {mean('estimated')} estimated" if bill["estimated"].value else ""
    lines = [
        f"{mean('generated')} tokens generated, {mean('probe_tokens')} of them by probes, {mean('wasted')} wasted"
        f"{estimated}; {mean('seconds')} s with {at_once} at once"
    ]
    told = bool(bill["cached_tokens"].value)
    parts = [f"{mean('prompt_tokens')} prompt tokens, {mean('cached_tokens') if told else 'none reported as'} cached"]
    if "uncached_per_decoded" in bill:
        most = "" if told else "at most "
        parts.append(f"{most}{mean('uncached_per_decoded', '.2f')} not cached for each one generated")
    lines.append("; ".join([*parts, f"{mean('requests')} requests"]))
    if bill["judge_requests"].value:
        lines.append(
            f"judge: {mean('judge_requests')} requests, {mean('judge_prompt_tokens')} prompt tokens, "
            f"{mean('judge_tokens')} tokens generated; in no figure above"
        )
    if prices is not None:
        lines.append(f"{_dollars_text(bill)}{_unpriced_text(bill, prices)}, {prices}")
    return lines


def _in_dollars(prices: TokenPrices, decoded: Floats, prompt: Floats, cached: Floats) -> Floats:
    rows = zip(decoded.tolist(), prompt.tolist(), cached.tolist(), strict=True)
    return np.array([prices.dollars(*each) for each in rows])


def _dollars_text(bill: dict[str, Interval]) -> str:
    judge = f", {_dollars(bill['judge_dollars'])} of them for the judge" if "judge_dollars" in bill else ""
    return _dollars(bill["dollars"]) + judge


def _unpriced_text(bill: dict[str, Interval], prices: LivePrices) -> str:
    """Return what the dollars leave out or overstate, as text."""
    text = "" if bill["cached_tokens"].value else ", all prompt tokens as prefill"
    if bill["judge_requests"].value and prices.judge is None:
        text += ", without the judge, whose prices are not known (give --judge-prices)"
    return text


def _dollars(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{in_dollars(interval.value)} (no interval)"
    return f"{in_dollars(interval.value)} ({in_dollars(interval.low)} … {in_dollars(interval.high)})"


def _by_question(episodes: pa.Table, name: str) -> Floats:
    """Return a column's mean for each question that was played, in the order of their indices."""
    _, question = np.unique(episodes.column("question").to_numpy(), return_inverse=True)
    values: Floats = question_means(episodes.column(name).to_numpy(), question, int(question.max()) + 1)
    return values
