"""Data of an explanation: the sweep, the effects of knobs, and failure digests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from envdata.intervals import Interval, Paired
from graph.analysis.traces.failure_digest import FailureDigest


@dataclass(frozen=True)
class KnobMove:
    """Effect of setting one knob to another value, the other knobs as scheduled at the reference β."""

    value: float
    accuracy: Paired | None
    """Accuracy moved against unmoved, as fractions; None if episodes failed."""
    tokens: Paired | None
    """Tokens a question, moved against unmoved; None if episodes failed."""
    failures: Mapping[str, int]
    """Failed episodes by status."""


@dataclass(frozen=True)
class KnobEffect:
    """Schedule of a knob over β, and the effect of moving it alone."""

    name: str
    values: tuple[float, ...]
    """Value at each β of the sweep."""
    reference: float
    """Value at the reference β."""
    moves: tuple[KnobMove, ...]
    """Moves to its values at the smallest and the largest β, if they differ from the reference value."""

    @property
    def constant(self) -> bool:
        """Whether it has the same value at every β."""
        return len(set(self.values)) == 1

    @property
    def trend(self) -> str:
        """Direction over β: `constant`, `rises`, `falls` or `goes both ways`."""
        steps = [b - a for a, b in zip(self.values, self.values[1:], strict=False)]
        rises, falls = any(step > 0 for step in steps), any(step < 0 for step in steps)
        return "goes both ways" if rises and falls else "rises" if rises else "falls" if falls else "constant"

    def spread(self, figure: str) -> float:
        """Return the range that its moves span in a figure.

        Args:
            figure: `accuracy`, spread as a fraction, or `tokens`, spread as a share of the tokens at the reference.
        """
        effects = [getattr(move, figure) for move in self.moves]
        known = [effect for effect in effects if effect is not None]
        if not known:
            return 0.0
        scale = known[0].b if figure == "tokens" else 1.0
        ends = [0.0, *(effect.difference.value / scale if scale else 0.0 for effect in known)]
        return float(max(ends) - min(ends))


@dataclass(frozen=True)
class ExplainedPoint:
    """One point of the sweep; means over grids."""

    beta: float | None
    accuracy: Interval
    """As a fraction."""
    tokens: float
    """Mean tokens a question."""


@dataclass(frozen=True)
class ExplanationData:
    """Measurements that explain a controller."""

    label: str
    name: str
    """Name of its class."""
    doc: str
    """Its docstring."""
    betas: tuple[float, ...]
    reference: float
    """β at which knobs are moved."""
    points: Sequence[ExplainedPoint]
    knobs: Sequence[KnobEffect]
    """Sorted by their effect on accuracy, then on tokens, largest first."""
    unmoved: Sequence[str]
    """Names of the knobs beyond `graph.analysis.explanation.MAX_KNOBS`."""
    digests: Sequence[FailureDigest]
    """Failure digests at the traced β, repeat 0."""
    failures: Mapping[str, int]
    """Failed episodes by status."""
    why: str | None
    """Message of the first failed episode."""
