"""Sentences on how a controller was selected, and how much its selection flatters its score."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from envdata.intervals import Interval


def selection_lines(selection: Mapping[str, Any] | None, grids: Sequence[str]) -> list[str]:
    """Return sentences on the selection of `result.json`.

    Args:
        selection: `graph.analysis.selection.Selection` as JSON; None for a baseline, and for runs of versions that
            selected by the score alone.
        grids: Paths of the search grids.

    Returns:
        No sentence for None. Figures are in percent.
    """
    return [] if selection is None else list(_lines(selection, grids))


def _lines(selection: Mapping[str, Any], grids: Sequence[str]) -> Iterator[str]:
    label, top, tied = selection["label"], selection["top"], selection["tied"]
    others = len(tied) - 1
    if not others:
        yield "no other candidate's score lies within its interval"
    elif len(grids) > 1:
        own = selection["by_grid"][label]
        worst = min(range(len(own)), key=own.__getitem__)
        best = "which has the best score" if label == top else f"whose best score is {top}'s"
        yield (
            f"of {len(tied)} candidates within each other's intervals, {best}, its worst grid is the best: "
            f"{100 * own[worst]:.2f} on {grids[worst]}"
        )
    else:
        lie, they = ("candidate lies", "it") if others == 1 else ("candidates lie", "they")
        yield f"{others} other {lie} within its interval: {they} may be as good"
    for part, name in (("questions", "left-out questions"), ("grids", "left-out grids")):
        left_out = selection[part]
        if left_out is not None:
            optimism = Interval(**left_out["optimism"]).times(100)
            yield (
                f"candidates selected without the {part} that they are scored on reach "
                f"{100 * left_out['score']:.2f}; optimism on {name}: {optimism.text(form='+.2f')}"
            )
