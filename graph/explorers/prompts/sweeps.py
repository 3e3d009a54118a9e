"""Sweeps over β in prompts: accuracy and tokens at some β, in few digits, over all grids and on each."""

from collections.abc import Iterable, Sequence

from graph.analysis.frontier import Point
from graph.analysis.markdown_table import markdown_table, short_tokens

MOST = 6
"""Points of a sweep that are shown, at most: the first, the last and others evenly between."""


def sweep_line(points: Sequence[Point]) -> str:
    """Return a sweep as text, as in `58.9 % at 52k (β 0), 65.2 % at 483k (β 1)`."""
    return ", ".join(
        f"{100 * point.accuracy:.1f} % at {short_tokens(point.tokens)}"
        + ("" if point.beta is None else f" (β {point.beta:g})")
        for point in _some(points)
    )


def sweep_table(rows: Iterable[tuple[str, Sequence[Point]]]) -> str:
    """Return sweeps as a table, a row each, cells as `58.9 at 52k`; a sweep of one point has it first.

    Args:
        rows: Name and points of each sweep; those over several β are over the same ones.
    """
    shown = [(name, _some(points)) for name, points in rows]
    longest = max((points for _, points in shown), key=len, default=[])
    head = ["%, at tokens", *("–" if point.beta is None else f"β {point.beta:g}" for point in longest)]
    cells = (
        [name, *(f"{100 * point.accuracy:.1f} at {short_tokens(point.tokens)}" for point in points)]
        + [""] * (len(longest) - len(points))
        for name, points in shown
    )
    return "\n".join(markdown_table(head, cells))


def _some(points: Sequence[Point]) -> list[Point]:
    """Return at most `MOST` of the points of a sweep."""
    if len(points) <= MOST:
        return list(points)
    return [points[round(place * (len(points) - 1) / (MOST - 1))] for place in range(MOST)]
