"""Headline of a report: tokens saved at self-consistency's accuracy, and accuracy at its tokens, in one sentence.

Self-consistency stands for its most accurate point of those that no cheaper one is as accurate as. Tokens here are
tokens, whatever the objective charges, and sequential tokens stand beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from envdata.episodes import Terms
from envdata.intervals import NOTHING, Interval, Sample, bounded, difference
from graph.analysis.curves import Curve, Questions
from graph.analysis.measured_curve import MeasuredCurve
from graph.analysis.objective import Objective, ObjectiveError, Scorer, range_of, reference_curve
from graph.analysis.saving import saved_share, saving_interval


@dataclass(frozen=True)
class AgainstReference:
    """A sweep against self-consistency, with 95 % intervals over questions."""

    saving: Interval
    """Share of self-consistency's tokens that it saves at its accuracy; 0 if it does not reach it."""
    accuracy: Interval | None
    """Its accuracy, as a fraction, at self-consistency's tokens; None if it costs more at every point."""
    difference: Interval | None
    """That less self-consistency's accuracy there, paired; None with `accuracy`."""
    gain: Interval | None
    """The objective `gain`, as a fraction; None where self-consistency spans no range of tokens."""


@dataclass(frozen=True)
class ToldPoint:
    """A point of a sweep that the sentence tells of; means over grids."""

    accuracy: Interval
    tokens: float
    sequential: float | None
    """None if sequential tokens are not known."""


@dataclass(frozen=True)
class AtEqualAccuracy:
    """The cheapest point of a sweep that is as accurate as self-consistency's best, and that one."""

    own: ToldPoint
    """The most accurate point, if none is as accurate."""
    reference: ToldPoint
    latency: Interval | None
    """Share of self-consistency's sequential tokens that `own` saves, below 0 if it takes more; None if not known."""


def at_equal_accuracy(curve: Curve, reference: Curve, questions: Questions) -> AtEqualAccuracy:
    """Return the points of a sweep and of self-consistency that the headline compares, and the latency saved."""
    best = _best_point(reference)
    enough = [p for p in range(len(curve.betas)) if curve.accuracy[p] >= reference.accuracy[best]]
    own = min(enough, key=lambda p: curve.tokens[p]) if enough else _best_point(curve)
    latency = None
    if curve.sequential_by_question and reference.sequential_by_question:
        latency = saved_share(_latency(curve, questions, own), _latency(reference, questions, best))
    return AtEqualAccuracy(_point(curve, own, questions), _point(reference, best, questions), latency)


def against_reference(curve: Curve, reference: Curve, questions: Questions) -> AgainstReference:
    """Return the figures of a sweep against self-consistency's on the same questions."""
    best = _best_point(reference)
    measured = MeasuredCurve.of(curve)
    place = measured.at(float(reference.tokens[best]))
    accuracy = less = None
    if place is not None:
        own = measured.accuracies(questions, place)
        accuracy = bounded(own)
        same = curve.same_results(reference)
        less = NOTHING if same else difference(own.minus(reference.accuracies(questions, best)))
    saving = saving_interval([curve], [], reference, questions, 0.0)
    return AgainstReference(saving, accuracy, less, _gain(curve, reference, questions))


def _gain(curve: Curve, reference: Curve, questions: Questions) -> Interval | None:
    try:
        low, high = range_of(reference)
    except ObjectiveError:
        return None
    return Scorer(Objective("gain"), low, high, questions, reference).interval(curve)


def against_self_consistency(
    episodes: pa.Table, labels: Sequence[str], questions: Questions
) -> dict[str, AgainstReference]:
    """Return the figures of each controller against self-consistency, by label.

    Args:
        episodes: Table with the schema `sandbox.results.EPISODES`.
        labels: Controllers.
        questions: Questions of the grids.

    Returns:
        Controllers with failures are left out; none are left where `sc` was not played, or spans no range of tokens.
    """
    try:
        reference = reference_curve(Objective("gain"), episodes, questions.grids)
    except ObjectiveError:
        return {}
    assert reference is not None  # noqa: S101 - `gain` compares
    curves = {label: Curve.from_episodes(episodes, label, questions.grids) for label in labels}
    return {
        label: against_reference(curve, reference, questions) for label, curve in curves.items() if not curve.failures
    }


def headline_sentence(
    name: str, curve: Curve, reference: Curve, questions: Questions, found: AgainstReference, *, part: str, terms: str
) -> str:
    """Return the headline as a sentence or two.

    Args:
        name: The controller.
        curve: Its sweep.
        reference: Self-consistency's.
        questions: Questions of both.
        found: The controller against self-consistency.
        part: The questions in words, as in `Held out`.
        terms: What else is charged, in words (`terms_in_words`).
    """
    at = at_equal_accuracy(curve, reference, questions)
    own, compared = at.own, at.reference
    theirs = f"{_tokens(compared)} for {_figure(compared.accuracy, '.1f', '%')}"
    if curve.same_results(reference):
        return f"{part}: no controller was found that is better than self-consistency, which takes {theirs} ({terms})."
    saved = (
        f"at that accuracy it saves {_figure(found.saving, '.0f', '% of the tokens')}"
        if found.saving.value > 0
        else "at that accuracy it saves no tokens"
    )
    there = "it takes more than those tokens at every β"
    if found.accuracy is not None and found.difference is not None:
        inside = "" if found.difference.sign else ", a difference inside its interval"
        there = (
            f"at those tokens it is right on {_figure(found.accuracy, '.1f', '%')}, "
            f"{_figure(found.difference, '+.1f', 'points')}{inside}"
        )
    return (
        f"{part}: {name} is right on {_figure(own.accuracy, '.1f', '%')} with {_tokens(own)} a question where "
        f"self-consistency takes {theirs}; {saved}, and {there} ({terms})."
    )


def terms_in_words(terms: Terms) -> str:
    """Return what probes and prefill cost, in words."""
    probes = {None: "probes charged as recorded", 0: "probes free"}.get(
        terms.probe_cost, f"probes charged {terms.probe_cost} tokens each"
    )
    weight = terms.prefill_weight
    return f"{probes}, prefill {f'charged at {weight:g} of a decoded token' if weight else 'not charged'}"


def headline(
    curves: Mapping[str, Curve],
    chosen: str,
    reference: Curve,
    questions: Questions,
    *,
    part: str,
    terms: Terms,
    name: str = "",
) -> dict[str, Any]:
    """Return the headline as JSON: `text`, and `controllers` with the fields of `AgainstReference` by name.

    Args:
        curves: Sweeps without failures, by name.
        chosen: The controller that the sentence tells of.
        reference: Sweep of self-consistency.
        questions: Questions of all of them.
        part: As in `headline_sentence`.
        terms: Terms of the episodes.
        name: What the sentence calls the controller; empty: `chosen`.
    """
    found = {name: against_reference(curve, reference, questions) for name, curve in curves.items()}
    words = terms_in_words(terms)
    text = headline_sentence(
        name or chosen, curves[chosen], reference, questions, found[chosen], part=part, terms=words
    )  # fmt: skip
    return {"text": text, "controllers": {name: asdict(each) for name, each in found.items()}}


def _best_point(curve: Curve) -> int:
    """Return the index of the most accurate point, the cheapest of equals."""
    return min(range(len(curve.betas)), key=lambda p: (-curve.accuracy[p], curve.tokens[p]))


def _latency(curve: Curve, questions: Questions, point: int) -> Sample:
    return curve.charged(1.0).costs(questions, point)


def _point(curve: Curve, point: int, questions: Questions) -> ToldPoint:
    sequential = float(curve.sequential[point]) if curve.sequential_by_question else None
    return ToldPoint(bounded(curve.accuracies(questions, point)), float(curve.tokens[point]), sequential)


def _figure(interval: Interval, form: str, unit: str) -> str:
    """Return a figure of fractions in hundredths, its unit, and its interval, as in `87 % (81 … 90)`."""
    value, _, between = interval.text(100, form).partition(" ")
    return f"{value} {unit} {between}"


def _tokens(point: ToldPoint) -> str:
    beside = "" if point.sequential is None else f" ({point.sequential:,.0f} sequential)"
    return f"{point.tokens:,.0f} tokens{beside}"
