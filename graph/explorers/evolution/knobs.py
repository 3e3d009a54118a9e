"""Knobs of the family: their ranges, and their schedules over β as readable source.

A knob's schedule is given by two numbers in 0 … 1 (`Gene`): its position in the range at β = 0, and the share of the
remaining range that it covers until β = 1. It always moves towards spending more, so every schedule is monotone in β.
"""

import math
from dataclasses import dataclass
from typing import Literal

Gene = tuple[float, float]
"""Position of a knob in its range at β = 0, and the share of the rest that it covers until β = 1; both in 0 … 1."""


@dataclass(frozen=True)
class Knob:
    """A numeric parameter of a controller."""

    name: str
    cheap: float
    """End of its range that spends least."""
    dear: float
    """End of its range that spends most."""
    scale: Literal["linear", "log", "odds"]
    """Quantity that is linear in the position: the value x, log x, or −log(1 − x)."""
    whole: bool
    """Whether values are rounded to integers."""
    doc: str
    """Description, for the comment in the source."""
    steady: bool = False
    """Whether it has the same value at every β: it shapes the vote, and does not by itself spend more or less."""

    def ends(self, gene: Gene) -> tuple[float, float]:
        """Return the values at β = 0 and β = 1, rounded as in the source."""
        start, share = gene
        return self._at(start), self._at(start + (1 - start) * share)

    def gene(self, start: float, end: float) -> Gene:
        """Return the gene whose ends are nearest to `start` and `end`: the inverse of `ends`."""
        first, last = self._position(start), self._position(end)
        return first, 0.0 if first >= 1 else max(0.0, (last - first) / (1 - first))

    def expression(self, gene: Gene) -> str:
        """Return the schedule as a Python expression in `beta`."""
        start, end = self.ends(gene)
        if start == end:
            return _written(start)
        if self.scale == "linear":
            rise = round(end - start, 4)
            curve = f"{_written(start)} {'+' if rise > 0 else '-'} {_written(abs(rise))} * beta"
        elif self.scale == "log":
            grows = f"{_written(_significant(end / start))}**beta"
            curve = grows if start == 1 else f"{_written(start)} * {grows}"
        else:
            missing, shrinks = round(1 - start, 4), _significant((1 - end) / (1 - start))
            curve = f"1 - {_written(missing)} * {_written(shrinks)}**beta"
        return f"round({curve})" if self.whole else curve

    def _at(self, position: float) -> float:
        position = min(1.0, max(0.0, position))
        cheap, dear = _warp(self.cheap, self.scale), _warp(self.dear, self.scale)
        value = _unwarp(cheap + (dear - cheap) * position, self.scale)
        return float(round(value)) if self.whole else round(value, 4)

    def _position(self, value: float) -> float:
        cheap, dear = _warp(self.cheap, self.scale), _warp(self.dear, self.scale)
        return min(1.0, max(0.0, (_warp(value, self.scale) - cheap) / (dear - cheap)))


def _warp(value: float, scale: str) -> float:
    return value if scale == "linear" else math.log(value) if scale == "log" else -math.log(1 - value)


def _unwarp(value: float, scale: str) -> float:
    return value if scale == "linear" else math.exp(value) if scale == "log" else 1 - math.exp(-value)


def _significant(value: float) -> float:
    return float(f"{value:.4g}")


def _written(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"
