"""Paired differences of the leading controller from others at the same tokens, for a panel of the page.

Bands of two curves overlap long before their difference contains 0, because both vary with the same questions. Curves
are read as the headline reads them (`graph.analysis.measured_curve`): linear in log tokens between frontier points, and
constant after the last.
"""

from collections.abc import Mapping

import numpy as np

from envdata.intervals import difference_unless_alike
from graph.analysis.curves import Curve, Questions
from graph.analysis.measured_curve import MeasuredCurve
from graph.analysis.objective import REFERENCE
from graph.report.finding import leading_curve
from graph.run.record import RunRecord

PRICES = 16
"""Prices at which differences are computed, besides the points of the leading controller."""


def differences(run: RunRecord, best_baseline: str | None) -> dict[str, dict[str, list[list[float | None]]]]:
    """Return rows of differences by set (`search`, `heldout`) and by the label of the other controller.

    The others are the best baseline and self-consistency. A row is the price in tokens, and the difference in accuracy
    there in percentage points with the ends of its 95 % interval over questions, None with one question.

    Args:
        run: The run.
        best_baseline: Label of the best baseline on the search set.
    """
    leader = leading_curve(run)
    if leader is None or leader.failures:
        return {}
    rivals = [label for label in dict.fromkeys([best_baseline, REFERENCE]) if label and label != leader.label]
    found = {"search": _of_set(leader, run.baselines, rivals, run.search_questions())}
    heldout = run.heldout()
    if leader.label in heldout:
        found["heldout"] = _of_set(heldout[leader.label], heldout, rivals, run.heldout_questions())
    return {name: rows for name, rows in found.items() if rows}


def _of_set(
    leader: Curve, curves: Mapping[str, Curve], rivals: list[str], questions: Questions
) -> dict[str, list[list[float | None]]]:
    return {label: difference_rows(leader, curves[label], questions) for label in rivals if label in curves}


def difference_rows(curve: Curve, other: Curve, questions: Questions) -> list[list[float | None]]:
    """Return the rows of one curve less another, over the prices at which both have a point."""
    own, theirs = MeasuredCurve.of(curve), MeasuredCurve.of(other)
    start = float(max(curve.tokens[own.points[0]], other.tokens[theirs.points[0]]))
    end = float(max(curve.tokens.max(), other.tokens.max()))
    # Prices above 0, whose logarithm is taken.
    low = max(start, 1.0)
    prices = np.geomspace(low, max(low, end), PRICES).tolist() + curve.tokens[own.points].tolist()
    rows: list[list[float | None]] = []
    for price in sorted({round(price, 1) for price in prices if low <= price <= end} | {round(low + 0.05, 1)}):
        here, there = own.at(price), theirs.at(price)
        if here is None or there is None:
            continue
        each = difference_unless_alike(own.accuracies(questions, here).minus(theirs.accuracies(questions, there)))
        ends = (each.value, each.low, each.high)
        rows.append([price, *(None if value is None else round(100 * value, 2) for value in ends)])
    return rows
