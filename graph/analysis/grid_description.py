"""Size, figures and provenance of a grid as plain values, for the command and for other programs."""

import numpy as np
import numpy.typing as npt

from envdata.grid import Grid
from envdata.grid_statistics import GridStatistics


def describe(grid: Grid) -> dict[str, object]:
    """Return the facts on a grid that `autotts grid info` prints; accuracies in percent."""
    arrays, statistics = grid.arrays, GridStatistics(grid)
    return {
        "grid": grid.name,
        "content hash": grid.content_hash,
        "questions": len(grid.questions),
        "branches": _span(grid.branches),
        "interval (tokens)": grid.interval,
        "intervals a branch": _span(arrays.intervals),
        "tokens a branch": _span(arrays.tokens),
        "single-branch accuracy (%)": round(100 * statistics.single.value, 2),
        "majority accuracy (%)": round(100 * statistics.majority.value, 2),
        "some branch right (%)": round(100 * statistics.oracle.value, 2),
        "signals": ", ".join(arrays.signal_names) or "none",
        "probe costs": arrays.probe_tokens is not None,
        "probe prefill": arrays.probe_prefill is not None,
        "provenance": dict(grid.provenance),
    }


def _span(values: npt.NDArray[np.integer]) -> str:
    """Return the range and the mean of values as text, or their only value."""
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} … {high}, mean {values.mean():.1f}"
