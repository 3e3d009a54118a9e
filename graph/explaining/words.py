"""An explanation in words. What a controller says of itself is quoted; all else is measured."""

from collections.abc import Iterator

from envdata.scoring import Interval
from graph.critic.digest import KINDS, Digest
from graph.critic.endings import ENDS
from graph.explaining.explanation import Explanation, Knob
from graph.prompts.foreign import in_quotes

SMALL = 0.05
"""A share of the tokens below which a knob is said not to change spending."""

ROUNDING = 1e-9
"""Differences of equal figures are rounding."""


def in_words(found: Explanation) -> list[str]:
    """Sentences, in the order in which one would tell it."""
    return list(_sentences(found))


def _sentences(found: Explanation) -> Iterator[str]:
    first, last = found.points[0], found.points[-1]
    if found.doc:
        yield f"It says of itself: {in_quotes(found.doc.strip().partition('. ')[0].rstrip('.'), 200)}."
    if len(found.points) == 1:
        yield f"It ignores β: {_percent(first.accuracy)} right for {first.tokens:,.0f} tokens a question."
    else:
        yield (
            f"From β = {first.beta:g} to β = {last.beta:g} it goes from {first.tokens:,.0f} to {last.tokens:,.0f} "
            f"tokens a question, and from {_percent(first.accuracy)} to {_percent(last.accuracy)} right."
        )
    if found.failures:
        counted = ", ".join(f"{status}: {count:,}" for status, count in found.failures.items())
        yield f"Some episodes fail ({counted}); the first says {in_quotes(found.why or 'nothing')}."
    digest = next((each for each in found.digests if each.beta in (None, found.reference)), None)
    if digest is not None:
        yield from _spending(digest)
        yield from _stops(digest)
        yield from _failures(digest)
    yield from _knobs(found)


def _spending(digest: Digest) -> Iterator[str]:
    at = "It" if digest.beta is None else f"At β = {digest.beta:g} it"
    parts = ", ".join(f"{100 * share:.0f} % on {action}" for action, share in digest.spending.items())
    pruned = f"; {100 * digest.on_pruned:.0f} % goes into branches that it prunes later" if digest.on_pruned else ""
    yield (
        f"{at} opens {digest.width:.1f} branches a question and reads {100 * digest.read:.0f} % of them to their ends. "
        f"Of its tokens it spends {parts or 'none'}{pruned}."
    )
    if digest.idle:
        yield f"After the leading answer last changed, {100 * digest.idle:.0f} % of the tokens were still to come."


def _stops(digest: Digest) -> Iterator[str]:
    for stop in digest.stops:
        share = stop.episodes / digest.episodes
        said = f", and says {in_quotes(stop.said)}" if stop.said else ""
        yield (
            f"In {100 * share:.0f} % of the traced episodes it ends because {ENDS[stop.end]}{said}: "
            f"{100 * stop.right / stop.episodes:.0f} % of them right, {stop.tokens:,.0f} tokens each."
        )


def _failures(digest: Digest) -> Iterator[str]:
    kinds = sorted((kind for kind in KINDS if digest.kinds[kind]), key=lambda kind: -digest.kinds[kind])
    wrong = [kind for kind in kinds if kind != "overspent"]
    if wrong:
        yield (
            f"It errs in {digest.wrong} of {digest.episodes} traced episodes; {digest.kinds[wrong[0]]} of them, the "
            f"most frequent kind, are {KINDS[wrong[0]]}."
        )


def _knobs(found: Explanation) -> Iterator[str]:
    constant = [knob.name for knob in found.knobs if knob.constant]
    if constant and len(constant) < len(found.knobs):
        yield f"β does not move {_listed(constant)}."
    moved = [knob for knob in found.knobs if any(move.accuracy is not None for move in knob.moves)]
    if not moved:
        return
    sure = [knob for knob in moved if _is_sure(knob)]
    where = f"Moved alone at β = {found.reference:g}"
    if sure:
        yield f"{where}, {in_quotes(sure[0].name, 40)} matters most for accuracy: {_moves(sure[0])}."
        others = [in_quotes(knob.name, 40) for knob in moved if knob not in sure]
        if others:
            yield f"Moved by themselves, {_listed(others)} change accuracy by no more than chance over these questions."
    else:
        yield f"{where}, no knob changes accuracy by more than chance over these questions; they matter together."
    dear = max(moved, key=lambda knob: knob.reach("tokens"))
    if dear.reach("tokens") >= SMALL:
        yield f"Spending hangs most on {in_quotes(dear.name, 40)}: {_moves(dear, tokens=True)}."


def _is_sure(knob: Knob) -> bool:
    return any(
        move.accuracy is not None
        and (move.accuracy.difference.low > ROUNDING or move.accuracy.difference.high < -ROUNDING)
        for move in knob.moves
    )


def _moves(knob: Knob, *, tokens: bool = False) -> str:
    said = []
    for move in knob.moves:
        if move.accuracy is None or move.tokens is None:
            continue
        if tokens:
            change = f"{100 * (move.tokens.a / move.tokens.b - 1):+.0f} % tokens" if move.tokens.b else "no tokens"
        else:
            difference = move.accuracy.difference
            change = (
                f"{100 * difference.value:+.1f} points ({100 * difference.low:+.1f} … {100 * difference.high:+.1f})"
            )
        said.append(f"from {knob.reference:g} to {move.value:g}, {change}")
    return "; ".join(said)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(value: Interval) -> str:
    return f"{100 * value.value:.1f} %"
