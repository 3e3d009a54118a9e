"""Line charts as SVG: a mean with a band from the lowest to the highest seed. Colours and dashes tell series apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from envdata.ledger import Floats

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 12, 46
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "1 4", "5 2 1 2 1 2", "3 6")
"""Besides colour, for those who do not see it; style sheets give the class `s0`, `s1`, … its colour."""


@dataclass(frozen=True)
class Series:
    """A line with its band; all of shape (N,)."""

    name: str
    x: Floats
    mean: Floats
    low: Floats
    high: Floats


def over_seeds(name: str, runs: Sequence[tuple[Sequence[float], Sequence[float]]], *, steps: bool) -> Series:
    """The runs of several seeds, each as x and y, as one series.

    With `steps` a run's y holds from its x on until the next one, and the runs are compared at every x of any of them,
    up to the x that all have reached; otherwise x are the same counts for all, and a y is averaged over the runs that
    have it.
    """
    if steps:
        end = min(run[0][-1] for run in runs)
        x = np.unique([value for run in runs for value in run[0] if value <= end])
        # Before its first x a run stands where it begins.
        rows = [np.asarray(ys, float)[np.maximum(np.searchsorted(xs, x, side="right") - 1, 0)] for xs, ys in runs]
    else:
        x = np.unique([value for run in runs for value in run[0]])
        rows = [_placed(x, *run) for run in runs]
    values = np.stack(rows)
    kept = ~np.isnan(values).all(axis=0)
    x, values = np.asarray(x, float)[kept], values[:, kept]
    return Series(name, x, np.nanmean(values, axis=0), np.nanmin(values, axis=0), np.nanmax(values, axis=0))


def _placed(x: Floats, xs: Sequence[float], ys: Sequence[float]) -> Floats:
    row = np.full(len(x), np.nan)
    row[np.searchsorted(x, xs)] = [math.nan if y is None else y for y in ys]
    return row


def line_chart(title: str, series: Sequence[Series], x_label: str, y_label: str, *, steps: bool = False) -> str:
    """The chart; series without points are left out. Empty if there is none with any."""
    shown = [(place, one) for place, one in enumerate(series) if len(one.x)]
    if not shown:
        return ""
    right = max(float(one.x.max()) for _, one in shown)
    left = min(float(one.x.min()) for _, one in shown)
    bottom = min(0.0, *(float(one.low.min()) for _, one in shown))
    top = max(float(one.high.max()) for _, one in shown)
    whole = all(float(value).is_integer() for _, one in shown for value in one.x)
    xs, ys = _ticks(left, right, least=1 if whole else 0), _ticks(bottom, top)
    x_low, x_high = min(left, xs[0]), max(right, xs[-1], left + 1e-9)
    y_low, y_high = min(bottom, ys[0]), max(top, ys[-1], bottom + 1e-9)

    def at_x(value: float) -> float:
        return LEFT + (value - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def at_y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
    ]
    for value in ys:
        y = at_y(value)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    for value in xs:
        x = at_x(value)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(value)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text transform="translate(14 {(HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    for place, one in shown:
        at, mean, low, high = _drawn(one, steps=steps)
        there = [f"{at_x(a):.1f},{at_y(b):.1f}" for a, b in zip(at, high, strict=True)]
        back = [f"{at_x(a):.1f},{at_y(b):.1f}" for a, b in zip(at[::-1], low[::-1], strict=True)]
        style = place % len(DASHES)
        parts.append(f'<polygon class="band s{style}" points="{" ".join(there + back)}"/>')
        line = " ".join(f"{at_x(a):.1f},{at_y(b):.1f}" for a, b in zip(at, mean, strict=True))
        dash = f' stroke-dasharray="{DASHES[style]}"' if DASHES[style] else ""
        parts.append(
            f'<polyline class="line s{style}" points="{line}"{dash}><title>{escape(one.name)}</title></polyline>'
        )
        for a, b, c, d in zip(one.x, one.mean, one.low, one.high, strict=True):
            said = f"{one.name}: {_short(b)} ({_short(c)} … {_short(d)}) at {_short(a)}"
            parts.append(
                f'<circle class="dot s{style}" cx="{at_x(a):.1f}" cy="{at_y(b):.1f}" r="3">'
                f"<title>{escape(said)}</title></circle>"
            )
    return "".join([*parts, "</svg>"])


def key(place: int) -> str:
    """What a series looks like, for legends."""
    style = place % len(DASHES)
    dash = f' stroke-dasharray="{DASHES[style]}"' if DASHES[style] else ""
    line = f'<polyline class="line s{style}" points="0,5 40,5"{dash}/>'
    return f'<svg class="key" viewBox="0 0 40 10" aria-hidden="true">{line}</svg>'


def _drawn(one: Series, *, steps: bool) -> tuple[Floats, Floats, Floats, Floats]:
    """x, mean, low and high of the corners of the line."""
    if not steps:
        return one.x, one.mean, one.low, one.high
    mean, low, high = (np.repeat(values, 2)[:-1] for values in (one.mean, one.low, one.high))
    return np.repeat(one.x, 2)[1:], mean, low, high


def _ticks(low: float, high: float, least: float = 0) -> list[float]:
    """Round numbers from about `low` to about `high`, `least` apart or more."""
    if not high > low:
        return [low, low + 1] if low == int(low) else [low]
    raw = max((high - low) / 5, least)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= raw)
    return [round(n * step, 10) for n in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:.4g}"
