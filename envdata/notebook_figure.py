"""Matplotlib figures that need no display and no pyplot, and that a notebook shows as they are."""

import io
from typing import Any

from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito, which is distinguishable with any kind of colour vision."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "d")
"""Markers of curves; their number has no factor in common with that of the colours, so that pairs differ."""


class NotebookFigure(Figure):
    """A figure that belongs to no window and changes no backend; `savefig` writes it.

    A notebook shows it as the value of a cell, also where pyplot was never imported.
    """

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()


def new_figure(width: float, height: float) -> NotebookFigure:
    """An empty figure of a size in inches, laid out so that labels do not overlap."""
    return NotebookFigure(figsize=(width, height), layout="constrained")


def curve_style(place: int) -> dict[str, Any]:
    """Colour and marker of the curve with index `place`; the first 56 differ, and the first seven in both."""
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def style_axes(axes: Any, axis: str = "both") -> None:
    """Draw a faint grid behind what is plotted, and no frame at the top and the right.

    Args:
        axes: Matplotlib axes.
        axis: The axes whose grid lines are drawn: `x`, `y` or `both`.
    """
    axes.grid(True, axis=axis, color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def label_accuracy_axes(axes: Any) -> None:
    """Label axes of accuracy against tokens, the latter on a log scale, and show the legend."""
    axes.set_xscale("log")
    axes.set_xlabel("tokens a question (log scale)")
    axes.set_ylabel("accuracy, %")
    axes.grid(True, color="#e6e6e6", linewidth=0.7)
    axes.legend(frameon=False, fontsize=9)
