"""An explanation as sentences. A controller's own words are quoted; everything else is measured."""

from collections.abc import Iterator

from envdata.intervals import Interval, number_text
from graph.analysis.explanation_data import ExplanationData, KnobEffect
from graph.analysis.traces.endings import ENDINGS
from graph.analysis.traces.failure_digest import FAILURE_KINDS, FailureDigest
from sandbox.sanitize import in_quotes

SMALL = 0.05
"""Change of tokens, as a share, from which a knob is reported to change spending."""


def explanation_sentences(explanation: ExplanationData) -> list[str]:
    """Return the explanation as sentences: sweep, failures, spending, stops, knobs."""
    return list(_sentences(explanation))


def _sentences(explanation: ExplanationData) -> Iterator[str]:
    first, last = explanation.points[0], explanation.points[-1]
    if explanation.doc:
        yield f"It says of itself: {in_quotes(explanation.doc.strip().partition('. ')[0].rstrip('.'), 200)}."
    if len(explanation.points) == 1:
        yield f"It ignores β: {_percent(first.accuracy)} right for {first.tokens:,.0f} tokens a question."
    else:
        yield (
            f"From β = {first.beta:g} to β = {last.beta:g} it goes from {first.tokens:,.0f} to {last.tokens:,.0f} "
            f"tokens a question, and from {_percent(first.accuracy)} to {_percent(last.accuracy)} right."
        )
    if explanation.failures:
        counted = ", ".join(f"{status}: {count:,}" for status, count in explanation.failures.items())
        yield f"Some episodes fail ({counted}); the first says {in_quotes(explanation.why or 'nothing')}."
    digest = next((each for each in explanation.digests if each.beta in (None, explanation.reference)), None)
    if digest is not None:
        yield from _spending(digest)
        yield from _stops(digest)
        yield from _failures(digest)
    yield from _knobs(explanation)


def _spending(digest: FailureDigest) -> Iterator[str]:
    at = "It" if digest.beta is None else f"At β = {digest.beta:g} it"
    parts = ", ".join(f"{100 * share:.0f} % on {action}" for action, share in digest.spending.items())
    pruned = f"; {100 * digest.on_pruned:.0f} % goes into branches that it prunes later" if digest.on_pruned else ""
    yield (
        f"{at} opens {digest.width:.1f} branches a question and reads {100 * digest.read:.0f} % of them to their ends. "
        f"Of its tokens it spends {parts or 'none'}{pruned}."
    )
    if digest.idle:
        yield f"After the leading answer last changed, {100 * digest.idle:.0f} % of the tokens were still to come."


def _stops(digest: FailureDigest) -> Iterator[str]:
    for stop in digest.stops:
        share = stop.episodes / digest.episodes
        remark = f", and says {in_quotes(stop.said)}" if stop.said else ""
        yield (
            f"In {100 * share:.0f} % of the traced episodes it ends because {ENDINGS[stop.end]}{remark}: "
            f"{100 * stop.right / stop.episodes:.0f} % of them right, {stop.tokens:,.0f} tokens each."
        )


def _failures(digest: FailureDigest) -> Iterator[str]:
    kinds = sorted((kind for kind in FAILURE_KINDS if digest.kinds[kind]), key=lambda kind: -digest.kinds[kind])
    wrong = [kind for kind in kinds if kind != "overspent"]
    if wrong:
        yield (
            f"It errs in {digest.wrong} of {digest.episodes} traced episodes; {digest.kinds[wrong[0]]} of them, the "
            f"most frequent kind, are {FAILURE_KINDS[wrong[0]]}."
        )


def _knobs(explanation: ExplanationData) -> Iterator[str]:
    constant = [knob.name for knob in explanation.knobs if knob.constant]
    if constant and len(constant) < len(explanation.knobs):
        yield f"β does not move {_listed(constant)}."
    moved = [knob for knob in explanation.knobs if any(move.accuracy is not None for move in knob.moves)]
    if not moved:
        return
    significant = [knob for knob in moved if _is_significant(knob)]
    where = f"Moved alone at β = {explanation.reference:g}"
    if significant:
        first = significant[0]
        yield f"{where}, {in_quotes(first.name, 40)} matters most for accuracy: {_moves(first)}."
        others = [in_quotes(knob.name, 40) for knob in moved if knob not in significant]
        if others:
            yield f"Moved by themselves, {_listed(others)} change accuracy by no more than chance over these questions."
    else:
        yield f"{where}, no knob changes accuracy by more than chance over these questions; they matter together."
    largest = max(moved, key=lambda knob: knob.spread("tokens"))
    if largest.spread("tokens") >= SMALL:
        yield f"Spending depends most on {in_quotes(largest.name, 40)}: {_moves(largest, tokens=True)}."


def _is_significant(knob: KnobEffect) -> bool:
    return any(move.accuracy is not None and move.accuracy.difference.sign for move in knob.moves)


def _moves(knob: KnobEffect, *, tokens: bool = False) -> str:
    changes = []
    for move in knob.moves:
        if move.accuracy is None or move.tokens is None:
            continue
        if tokens:
            change = (
                f"{number_text(100 * (move.tokens.a / move.tokens.b - 1), '+.0f')} % tokens"
                if move.tokens.b
                else "no tokens"
            )
        else:
            value, _, interval = move.accuracy.difference.text(100, "+.1f").partition(" ")
            change = f"{value} points {interval}"
        changes.append(f"from {knob.reference:g} to {move.value:g}, {change}")
    return "; ".join(changes)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(value: Interval) -> str:
    return f"{100 * value.value:.1f} %"
