"""The critic's measurements in words: what goes into `critique.md` and to explorers. No answer is spelt in here."""

from collections.abc import Iterator, Sequence

from envdata.scoring import Interval
from graph.critic.digest import KINDS, Digest
from graph.critic.measures import Measures


def write_measures(measured: Sequence[Measures]) -> str:
    """Markdown, one section a candidate, in the order given."""
    return "\n".join(line for each in measured for line in _section(each))


def points(value: Interval, *, signed: bool = False) -> str:
    """A fraction and its interval in points: `61.25 (55.00 … 67.50)`."""
    form = "+.2f" if signed else ".2f"
    return f"{100 * value.value:{form}} ({100 * value.low:{form}} … {100 * value.high:{form}})"


def _section(each: Measures) -> Iterator[str]:
    yield f"### {each.label}"
    yield ""
    against = points(each.over_baseline, signed=True)
    yield f"- Objective {points(each.score)}; against the best baseline {against}, paired."
    yield f"- Gain of the frontier over everything before: {points(each.gain, signed=True)}."
    if each.contract.failures:
        counted = ", ".join(f"{status}: {count}" for status, count in each.contract.failures.items())
        yield f"- Failed episodes keep it off the frontier: {counted}. The first said: {each.contract.why}"
    if each.monotonicity.turning:
        yield f"- Knobs whose schedule goes both ways: {', '.join(each.monotonicity.turning)}."
    for drop in each.monotonicity.drops:
        less, more = f"{drop.next_tokens:,.0f}", f"{drop.tokens:,.0f}"
        yield f"- β = {drop.next_beta:g} spends {less} tokens, less than β = {drop.beta:g} ({more})."
    seen = each.coverage
    yield (
        f"- Spends {seen.lowest:,.0f} … {seen.highest:,.0f} tokens: {100 * seen.share:.0f} % of the range; the "
        f"widest gap is a factor of {seen.widest_gap:.2f}."
    )
    for digest in each.digests:
        yield from _digest(digest)
    yield ""


def _digest(digest: Digest) -> Iterator[str]:
    at = "" if digest.beta is None else f"β = {digest.beta:g}: "
    yield (
        f"- {at}{digest.wrong} of {digest.episodes} traced episodes are wrong; {100 * digest.idle:.0f} % of the tokens "
        "came after the last change of the leading answer."
    )
    for kind, meaning in KINDS.items():
        if digest.kinds[kind]:
            yield f"  - {digest.kinds[kind]} {meaning} (grid/question {', '.join(digest.examples[kind])})."
