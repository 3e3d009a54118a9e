"""The critic's measurements in words: what goes into `critique.md` and to explorers. No answer is spelt in here."""

from collections.abc import Iterator, Sequence

from envdata.scoring import Interval
from graph.critic.digest import KINDS, Digest
from graph.critic.endings import ENDS
from graph.critic.invariance import Invariance
from graph.critic.losses import Against
from graph.critic.measures import Measures
from graph.prompts.foreign import in_quotes

KNOBS = 8
"""Knobs that are named, of those whose schedule goes both ways: a candidate chooses their names and their number."""


def write_measures(measured: Sequence[Measures]) -> str:
    """What the episodes' results say: Markdown, one section a candidate, in the order given."""
    return "\n".join(line for each in measured for line in _section(each)).rstrip("\n")


def write_failures(measured: Sequence[Measures]) -> str:
    """What the traces say, likewise: why episodes failed, how they ended, what they were spent on."""
    return "\n".join(
        line
        for each in measured
        if each.digests
        for line in (f"### {each.label}", "", *(line for digest in each.digests for line in _digest(digest)), "")
    ).rstrip("\n")


def points(value: Interval, *, signed: bool = False) -> str:
    """A fraction and its interval in points: `61.25 (55.00 … 67.50)`."""
    form = "+.2f" if signed else ".2f"
    return f"{100 * value.value:{form}} ({100 * value.low:{form}} … {100 * value.high:{form}})"


def _section(each: Measures) -> Iterator[str]:
    yield f"### {each.label}"
    yield ""
    over = points(each.over_baseline, signed=True)
    yield f"- Objective {points(each.score)}; against the best baseline {over}, paired."
    yield f"- Gain of the frontier over everything before: {points(each.gain, signed=True)}."
    if each.contract.failures:
        counted = ", ".join(f"{status}: {count}" for status, count in each.contract.failures.items())
        said = in_quotes(each.contract.why or "")
        yield f"- Failed episodes keep it off the frontier: {counted}. The first said: {said}."
    if each.contract.same_as is not None:
        yield f"- It acts exactly as {each.contract.same_as} does: a duplicate."
    if each.contract.invariance is not None:
        yield from _invariance(each.contract.invariance)
    if each.monotonicity.ignores_beta:
        yield "- Its schedule is the same at every β: it is one point."
    turning = each.monotonicity.turning
    if turning:
        yield f"- Knobs whose schedule goes both ways: {', '.join(in_quotes(knob, 40) for knob in turning[:KNOBS])}."
    for drop in each.monotonicity.drops:
        less, more = f"{drop.next_tokens:,.0f}", f"{drop.tokens:,.0f}"
        yield f"- β = {drop.next_beta:g} spends {less} tokens, less than β = {drop.beta:g} ({more})."
    seen = each.coverage
    yield (
        f"- Spends {seen.lowest:,.0f} … {seen.highest:,.0f} tokens: {100 * seen.share:.0f} % of the range; the "
        f"widest gap is a factor of {seen.widest_gap:.2f}."
    )
    for beside in each.against:
        yield from _against(beside)
    yield ""


def _invariance(found: Invariance) -> Iterator[str]:
    if found.holds:
        return
    said = {
        "with nothing changed, so it is not deterministic": found.by_itself,
        "when answers are renamed, so it goes by what they are called": found.renamed,
        "when questions come in another order, so it keeps state or goes by their numbers": found.reordered,
    }
    blamed = [f"{count} {words}" for words, count in said.items() if count]
    yield (
        f"- Breaks the contract: of {found.episodes} episodes played again, these ended otherwise: "
        f"{'; '.join(blamed) or f'{found.together} when answers are renamed and questions reordered at once'}."
    )


def _against(beside: Against) -> Iterator[str]:
    at = "" if beside.beta is None else f"β = {beside.beta:g} "
    other = "" if beside.baseline_beta is None else f" at β = {beside.baseline_beta:g}"
    line = (
        f"- {at}({beside.tokens:,.0f} tokens) against {beside.baseline}{other} ({beside.baseline_tokens:,.0f} tokens): "
        f"better on {beside.better} questions, worse on {beside.worse}"
    )
    worst = [
        f"{lost.question} ({100 * lost.accuracy:.0f} % against {100 * lost.baseline_accuracy:.0f} %, "
        f"{lost.tokens:,.0f} against {lost.baseline_tokens:,.0f} tokens)"
        for lost in beside.lost
    ]
    yield f"{line}; most on {', '.join(worst)}." if worst else f"{line}."


def _digest(digest: Digest) -> Iterator[str]:
    at = "" if digest.beta is None else f"β = {digest.beta:g}: "
    yield (
        f"- {at}{digest.wrong} of {digest.episodes} traced episodes are wrong; {100 * digest.idle:.0f} % of the tokens "
        "came after the last change of the leading answer."
    )
    for kind, meaning in KINDS.items():
        if digest.kinds[kind]:
            yield f"  - {digest.kinds[kind]} {meaning} (grid/question {', '.join(digest.examples[kind])})."
    by_action = ", ".join(f"{action} {100 * share:.0f} %" for action, share in digest.spending.items())
    pruned = f", {100 * digest.on_pruned:.0f} % into branches that were pruned" if digest.on_pruned else ""
    yield (
        f"  - Tokens by action: {by_action or 'none'}{pruned}; {digest.width:.1f} branches an episode, "
        f"{100 * digest.read:.0f} % of them read to their ends."
    )
    for stop in digest.stops:
        said = f", saying {in_quotes(stop.said)}" if stop.said else ""
        yield (
            f"  - {stop.episodes} ended because {ENDS[stop.end]}{said}: {stop.right} right, "
            f"{stop.tokens:,.0f} tokens on average."
        )
