"""Cost of a solved question, beside self-consistency, as text and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from graph.analysis.equal_accuracy import EqualAccuracy
from graph.analysis.token_prices import LivePrices, TokenPrices, in_dollars
from sandbox.live.solution import Cost, Solution, StartCost


@dataclass(frozen=True)
class Baseline:
    """Self-consistency on the same question: as many branches as the controller opened, or as many as it is worth."""

    name: str
    """Its width, and why that one, in words."""
    branches: float
    tokens: int
    """Estimated from the lengths of the controller's branches."""
    known: int
    """Number of branches that were read whole; the lengths of the others are estimated."""
    opened: int
    """Number of branches that the controller opened."""
    prompt_tokens: int
    """Tokens of the question's prompt, read once for all branches."""

    def dollars(self, prices: TokenPrices) -> float:
        """Return its cost in US dollars."""
        return prices.dollars(self.tokens, self.prompt_tokens, 0)


def baseline_of(solution: Solution, equal: EqualAccuracy | None) -> Baseline | None:
    """Return self-consistency of equal accuracy, or without `equal` of equal width; None where no branch was opened."""
    width = solution.self_consistency
    if not width.branches:
        return None
    if equal is None:
        name, branches = f"self-consistency with {width.branches} branches (equal width)", float(width.branches)
    else:
        branches = equal.branches.value
        times = equal.branches.text(1, ".1f")
        accuracy = f"{equal.accuracy.text(100, '.1f')} % on the grid"
        name = f"self-consistency with {times} branches (equal accuracy, {accuracy})"
        if not equal.reached:
            name = f"self-consistency with up to {times} branches (less accurate than the controller, {accuracy})"
    tokens = round(width.tokens / width.branches * branches)
    return Baseline(name, branches, tokens, width.known, width.branches, width.prompt_tokens)


@dataclass(frozen=True)
class Dollars:
    """Cost of an episode's requests in US dollars."""

    model: float
    judge: float | None
    """Of the requests to the judge; 0 without any, None where its prices are not known."""

    @classmethod
    def of(cls, cost: Cost, prices: LivePrices) -> "Dollars":
        """Return the cost of an episode in US dollars."""
        judge: float | None = 0.0
        if cost.judge_requests:
            tokens = cost.judge_tokens, cost.judge_prompt_tokens, cost.judge_cached_tokens
            judge = None if prices.judge is None else prices.judge.dollars(*tokens)
        return cls(prices.model.dollars(cost.generated, cost.prompt_tokens, cost.cached_tokens), judge)

    @property
    def total(self) -> float:
        """Both together, the judge's as far as it is known."""
        return self.model + (self.judge or 0.0)


def cost_text(solution: Solution, prices: LivePrices | None = None, equal: EqualAccuracy | None = None) -> str:
    """Return the cost of a solution, and that of self-consistency, in a few lines.

    Args:
        solution: The solution.
        prices: Prices of the tokens, for costs in dollars.
        equal: The width at which self-consistency is as accurate; None compares with as many branches.
    """
    cost = solution.cost
    dollars = None if prices is None else Dollars.of(cost, prices)
    lines = [] if solution.failed_by is None else [f"the majority of the answers until a failure: {solution.why}"]
    spent = f"{cost.generated:,} tokens generated, {cost.probe_tokens:,} of them by probes, {cost.wasted:,} wasted"
    paid = "" if dollars is None else f"; {_dollars_text(dollars)}"
    lines.append(f"{spent}; {cost.sequential_tokens:,} sequential{paid}; {cost.seconds:.1f} s")
    if cost.estimated:
        lines.append(
            f"{cost.estimated:,} of the generated tokens are estimated: no server tells those of a closed stream"
        )
    cached = f"{cost.cached_tokens:,} of them" if cost.cached_tokens else "none reported as"
    priced = "" if cost.cached_tokens or prices is None else "; all are priced as prefill"
    lines.append(f"{cost.prompt_tokens:,} prompt tokens, {cached} cached, in {cost.requests:,} requests{priced}")
    if cost.judge_requests:
        unscored = f", {cost.judge_unscored:,} branches without a score" if cost.judge_unscored else ""
        unpriced = "" if dollars is None or dollars.judge is not None else (
            ", nor in the dollars: its prices are not known, give --judge-prices"
        )  # fmt: skip
        lines.append(
            f"judge: {cost.judge_requests:,} requests, {cost.judge_prompt_tokens:,} prompt tokens, "
            f"{cost.judge_tokens:,} tokens generated{unscored}; not in the tokens above{unpriced}"
        )
    baseline = baseline_of(solution, equal)
    if baseline is not None:
        lines.append(_baseline_text(cost, baseline, prices))
    if prices is not None:
        lines.append(f"dollars {prices}")
    return "\n".join(lines)


def start_text(start: StartCost | None) -> str:
    """Return the cost of a solver's start as a line of text; empty where it took no tokens."""
    if start is None or not (start.prompt_tokens or start.generated):
        return ""
    judge = ""
    if start.judge_prompt_tokens:
        judge = f", the judge {start.judge_prompt_tokens:,} and {start.judge_tokens:,}"
    return (
        f"at the start the server was tried with {start.prompt_tokens:,} prompt tokens, and generated "
        f"{start.generated:,}{judge}: in no figure above"
    )


def dollars_object(
    solution: Solution, prices: LivePrices | None, equal: EqualAccuracy | None = None
) -> dict[str, Any] | None:
    """Return both costs in US dollars as JSON; None without prices.

    `spent` has the judge's, of which `judge` is null where its prices are not known. Self-consistency's is that of
    equal accuracy if `equal` is given, otherwise of equal width, and null where no branch was read whole.
    """
    if prices is None:
        return None
    dollars = Dollars.of(solution.cost, prices)
    baseline = baseline_of(solution, equal)
    return {
        "spent": dollars.total,
        "judge": dollars.judge,
        "self_consistency": baseline.dollars(prices.model) if baseline is not None and baseline.known else None,
        "prices": asdict(prices.model),
        "judge_prices": None if prices.judge is None else asdict(prices.judge),
    }


def equal_accuracy_object(solution: Solution, equal: EqualAccuracy | None) -> dict[str, Any] | None:
    """Return self-consistency of equal accuracy as JSON, with its tokens on this question; None without `equal`."""
    if equal is None:
        return None
    baseline = baseline_of(solution, equal)
    return {**asdict(equal), "tokens": baseline.tokens if baseline is not None and baseline.known else None}


def _dollars_text(dollars: Dollars) -> str:
    judge = f", {in_dollars(dollars.judge)} of them for the judge" if dollars.judge else ""
    return in_dollars(dollars.total) + judge


def _baseline_text(cost: Cost, baseline: Baseline, prices: LivePrices | None) -> str:
    if not baseline.known:
        return f"{baseline.name}: more than {baseline.tokens:,} tokens: none was read whole, so its length is not known"
    whole = baseline.known == baseline.opened
    known = "" if whole else f", estimated from the {baseline.known} that were read whole"
    text = f"{baseline.name}: {baseline.tokens:,} tokens{known}"
    if baseline.tokens:
        text += f" ({cost.generated / baseline.tokens:.0%} of that were generated)"
    if prices is not None and (theirs := baseline.dollars(prices.model)):
        text += f", {in_dollars(theirs)} ({Dollars.of(cost, prices).total / theirs:.0%} of that were spent)"
    return text
