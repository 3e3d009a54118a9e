"""The critic's measurements, in the order of `measures.json`, and their registry.

Another package registers a measurement through an entry point of the group `autotts.measurements`: a callable without
arguments that returns a `Measurement`. Its value and its lines come after those of this module.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from envdata.intervals import Interval
from envdata.plugins import PluginGroup
from graph.analysis.markdown_table import markdown_table, short_tokens
from graph.analysis.traces.endings import ENDINGS
from graph.analysis.traces.failure_digest import FAILURE_KINDS, FailureDigest, failure_digests
from graph.critic.behind import Standing, standings
from graph.critic.invariance import Invariance, invariance
from graph.critic.measurement import Measurement, MeasurementContext, Measures
from graph.critic.measures import Contract, Coverage, Monotonicity, coverage, drops, gain, turning_knobs
from graph.run.files import RunError
from sandbox.backends.base import SandboxUnavailable
from sandbox.evaluate import ignores_beta
from sandbox.host import InfrastructureError
from sandbox.sanitize import in_quotes

FEW = 0.02
"""Share of the traced episodes below which a kind of failure is not told of."""
MOST_GRIDS = 8
"""Grids of which losses are told, at most."""
KNOBS = 8
"""Knobs with a non-monotone schedule that are listed, at most: candidates choose their names and number."""

FAILURES = "digests"
"""Name of the measurement that is made from traces; its lines form a text of their own, which an ablation hides."""

MEASUREMENTS = PluginGroup(
    "autotts.measurements",
    "measurement",
    {
        "score": "graph.critic.measurements:Score",
        "over_baseline": "graph.critic.measurements:OverBaseline",
        "contract": "graph.critic.measurements:ContractMeasurement",
        "monotonicity": "graph.critic.measurements:MonotonicityMeasurement",
        "coverage": "graph.critic.measurements:CoverageMeasurement",
        "gain": "graph.critic.measurements:Gain",
        "against": "graph.critic.measurements:AgainstBefore",
        FAILURES: "graph.critic.measurements:FailureDigests",
    },
    RunError,
)


@functools.cache
def measurements() -> tuple[Measurement, ...]:
    """Return all registered measurements. Raises RunError if one of another package is not a `Measurement`."""
    return tuple(_make(name) for name in MEASUREMENTS.names())


def measure(context: MeasurementContext) -> Measures:
    """Return the values of all measurements of a candidate.

    Raises:
        RunError: A measurement of another package failed; the message names it.
        InfrastructureError: The host failed.
        SandboxUnavailable: The sandbox backend does not work here.
    """
    return Measures(context.candidate.label, {each.name: _value(each, context) for each in measurements()})


def points(value: Interval, *, signed: bool = False) -> str:
    """Return a fraction and its interval in percentage points, as in `61.25 (55.00 … 67.50)`, for a prompt.

    Numbers below 0 have a hyphen there, as in code.
    """
    return value.text(100, "+.2f" if signed else ".2f").replace("−", "-")


class Score:
    """The candidate's objective. Its lines include the values of `over_baseline` and `gain`."""

    name = "score"

    def compute(self, context: MeasurementContext) -> Interval:
        """Return the objective with its 95 % interval."""
        return context.scorer.interval(context.curve)

    def markdown(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield the objective, its difference from the best baseline's, and the gain of the frontier."""
        over = points(values["over_baseline"], signed=True)
        yield f"- Objective {points(values['score'])}; against the best baseline {over}, paired."
        yield f"- Gain of the frontier over everything before: {points(values['gain'], signed=True)}."


class OverBaseline:
    """The objective less that of the best baseline, paired."""

    name = "over_baseline"

    def compute(self, context: MeasurementContext) -> Interval:
        """Return the paired difference with its 95 % interval."""
        return context.scorer.difference(context.curve, context.best_baseline)

    def markdown(self, values: Mapping[str, Any]) -> Iterable[str]:
        """Return no lines; those of `Score` include the value."""
        return ()


class Gain:
    """The gain of the frontier's objective from the candidate over everything before, paired."""

    name = "gain"

    def compute(self, context: MeasurementContext) -> Interval:
        """Return the gain with its 95 % interval."""
        return gain(context.curve, context.before, context.scorer)

    def markdown(self, values: Mapping[str, Any]) -> Iterable[str]:
        """Return no lines; those of `Score` include the value."""
        return ()


class ContractMeasurement:
    """Failures, invariance under perturbations, and duplicates."""

    name = "contract"

    def compute(self, context: MeasurementContext) -> Contract:
        """Return the contract findings; a candidate without failures is played again for the invariance check.

        Raises:
            InfrastructureError: The host failed.
            SandboxUnavailable: The sandbox backend does not work here.
        """
        curve = context.curve
        checked = None
        if not curve.failures:
            betas = context.betas if curve.betas != (None,) else [1.0]
            checked = invariance(context.evaluator, context.candidate, context.grids, betas)
        return Contract(curve.failures, curve.why, checked, context.same_as)

    def markdown(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield a line for each violation."""
        contract: Contract = values["contract"]
        if contract.failures:
            counted = ", ".join(f"{status}: {count}" for status, count in contract.failures.items())
            message = in_quotes(contract.why or "")
            yield f"- Failed episodes keep it off the frontier: {counted}. The first said: {message}."
        if contract.same_as is not None:
            yield f"- It acts exactly as {contract.same_as} does: a duplicate."
        if contract.invariance is not None:
            yield from _invariance(contract.invariance)


class MonotonicityMeasurement:
    """Monotonicity in β of the schedule and of the measured spending."""

    name = "monotonicity"

    def compute(self, context: MeasurementContext) -> Monotonicity:
        """Return the monotonicity of the schedule and of the mean tokens over the search grids."""
        schedules = context.schedules
        return Monotonicity(turning_knobs(schedules), drops(context.curve), ignores_beta(schedules))

    def markdown(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield a line for each violation."""
        monotonicity: Monotonicity = values["monotonicity"]
        if monotonicity.ignores_beta:
            yield "- Its schedule is the same at every β: it is one point."
        turning = monotonicity.turning
        if turning:
            knobs = ", ".join(in_quotes(knob, 40) for knob in turning[:KNOBS])
            yield f"- Knobs whose schedule goes both ways: {knobs}."
        for drop in monotonicity.drops:
            less, more = f"{drop.next_tokens:,.0f}", f"{drop.tokens:,.0f}"
            yield f"- β = {drop.next_beta:g} spends {less} tokens, less than β = {drop.beta:g} ({more})."


class CoverageMeasurement:
    """Coverage of the objective's range of tokens by the points of the sweep."""

    name = "coverage"

    def compute(self, context: MeasurementContext) -> Coverage:
        """Return the coverage of the scorer's range."""
        return coverage(context.curve.charged(context.scorer.latency), context.scorer.low, context.scorer.high)

    def markdown(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield a line with the range and the widest gap."""
        spans: Coverage = values["coverage"]
        yield (
            f"- Spends {spans.lowest:,.0f} … {spans.highest:,.0f} tokens: {100 * spans.share:.0f} % of the range; "
            f"the widest gap is a factor of {spans.widest_gap:.2f}."
        )


class AgainstBefore:
    """Where the sweep stands above or below the baselines and all earlier candidates, at equal tokens."""

    name = "against"

    def compute(self, context: MeasurementContext) -> list[Standing]:
        """Return where each point of the sweep stands, at the costs that the objective charges."""
        latency = context.scorer.latency
        before = [each.charged(latency) for each in context.before]
        return standings(context.curve.charged(latency), before, context.scorer.questions)

    def markdown(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield a table with a row for each point."""
        head = ["β", "%, at tokens", "less the best before at these tokens", "the cheapest before for this accuracy"]
        yield ""
        yield from markdown_table(head, map(_against, values["against"]))
        yield ""


class FailureDigests:
    """Digests of the traces: why episodes failed, how they ended, and what tokens were spent on."""

    name = FAILURES

    def compute(self, context: MeasurementContext) -> list[FailureDigest]:
        """Return a digest for each traced β."""
        ceiling = context.settings.terms.max_branches
        return failure_digests(context.traces, context.candidate.label, context.recorded, ceiling)

    def markdown(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield several lines for each traced β."""
        for digest in values[FAILURES]:
            yield from _digest(digest)


def _make(name: str) -> Measurement:
    measurement: Measurement = MEASUREMENTS.make(
        name, Measurement, "name, compute or markdown (graph.critic.measurement)"
    )
    if measurement.name != name:
        raise MEASUREMENTS.failure(name, f"calls its value {measurement.name!r}; both names must be equal")
    return measurement


def _value(measurement: Measurement, context: MeasurementContext) -> Any:
    if measurement.name in MEASUREMENTS.built_in:
        return measurement.compute(context)
    try:
        value = measurement.compute(context)
        # A value that is not JSON is found here, where the message can name the measurement.
        json.dumps(Measures("", {measurement.name: value}).plain(), allow_nan=False)
    except (InfrastructureError, SandboxUnavailable):
        raise
    except Exception as error:
        raise MEASUREMENTS.failure(measurement.name, "has failed", error) from error
    return value


def _invariance(result: Invariance) -> Iterator[str]:
    if result.holds:
        return
    causes = {
        "with nothing changed, so it is not deterministic": result.by_itself,
        "when answers are renamed, so it goes by what they are called": result.renamed,
        "when questions come in another order, so it keeps state or goes by their numbers": result.reordered,
    }
    counted = [f"{count} {cause}" for cause, count in causes.items() if count]
    yield (
        f"- Breaks the contract: of {result.episodes} episodes played again, these ended otherwise: "
        f"{'; '.join(counted) or f'{result.together} when answers are renamed and questions reordered at once'}."
    )


def _against(point: Standing) -> list[str]:
    ahead = "nothing was as cheap" if point.ahead is None else f"{points(point.ahead, signed=True)} to {point.rival}"
    cheapest = "none reached it"
    if point.cheapest_tokens is not None:
        factor = point.cheapest_tokens / point.tokens
        cheapest = f"{short_tokens(point.cheapest_tokens)}, {factor:.2f} times as many ({point.cheapest})"
    at = "–" if point.beta is None else f"{point.beta:g}"
    return [at, f"{100 * point.accuracy:.1f} at {short_tokens(point.tokens)}", ahead, cheapest]


def _digest(digest: FailureDigest) -> Iterator[str]:
    at = "" if digest.beta is None else f"β = {digest.beta:g}: "
    unseen = digest.kinds["never_seen"]
    each = [f"{unseen} + {wrong - unseen}" for unseen, wrong in digest.lost]
    by_grid = f"; by grid {', '.join(each[:MOST_GRIDS])}" if len(each) > 1 else ""
    yield (
        f"- {at}{digest.wrong} of {digest.episodes} traced episodes are wrong: in {unseen} no branch showed the right "
        f"answer (coverage), in {digest.wrong - unseen} one did (accuracy){by_grid}. {100 * digest.idle:.0f} % of the "
        "tokens came after the last change of the leading answer (price)."
    )
    for kind, meaning in FAILURE_KINDS.items():
        # What the first line counts is not told again, and a few episodes may be chance.
        if kind not in ("never_seen", "outvoted") and digest.kinds[kind] >= max(1, FEW * digest.episodes):
            yield f"  - {digest.kinds[kind]} {meaning}."
    by_action = ", ".join(f"{action} {100 * share:.0f} %" for action, share in digest.spending.items())
    pruned = f", {100 * digest.on_pruned:.0f} % into branches that were pruned" if digest.on_pruned else ""
    yield (
        f"  - Tokens by action: {by_action or 'none'}{pruned}; {digest.width:.1f} branches an episode, "
        f"{100 * digest.read:.0f} % of them read to their ends, {digest.calls:.0f} calls."
    )
    for stop in digest.stops:
        remark = f", saying {in_quotes(stop.said)}" if stop.said else ""
        yield (
            f"  - {stop.episodes} ended because {ENDINGS[stop.end]}{remark}: {stop.right} right, "
            f"{stop.tokens:,.0f} tokens on average."
        )
