"""Interface of the critic's measurements: each computes a value of a candidate, and renders it as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from envdata.grid import Grid
from graph.analysis.curves import Curve
from graph.analysis.objective import Scorer
from graph.analysis.traces.gold import ReferenceAnswers
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator
from sandbox.replay_player import EvaluationSettings


@dataclass(frozen=True)
class MeasurementContext:
    """A candidate after its evaluation on the search set, with the data that it may be measured by."""

    candidate: Candidate
    curve: Curve
    """Its sweep over β."""
    schedules: Sequence[Mapping[str, float]]
    """Its knobs at each β of the sweep."""
    scorer: Scorer
    """Objective with its range of tokens."""
    best_baseline: Curve
    before: Sequence[Curve]
    """Curves without failures of the baselines and of all earlier rounds."""
    betas: Sequence[float]
    """β whose episodes were traced."""
    traces: pa.Table
    """Traces of all of the round's finalists (`sandbox.evaluate.Evaluation.traces`)."""
    grids: Mapping[str, Grid]
    """Search grids by path, gold answers included: the critic runs on the host."""
    recorded: Mapping[str, ReferenceAnswers]
    """Gold answers and final answers of the branches, in the branch order of the traced episodes, by path."""
    evaluator: Evaluator
    """Plays the candidate again, if a measurement asks for it."""
    settings: EvaluationSettings
    """Settings of the episodes."""
    same_as: str | None = None
    """Label of an earlier candidate or a baseline with identical behaviour in the screening."""


@runtime_checkable
class Measurement(Protocol):
    """A measurement that is made of each finalist."""

    name: str
    """Key of its value in `measures.json`."""

    def compute(self, context: MeasurementContext) -> Any:
        """Return the value: plain JSON, or dataclasses of it. It must depend on `context` only: runs are repeatable."""
        ...

    def markdown(self, values: Mapping[str, Any]) -> Iterable[str]:
        """Return lines of Markdown on `values[self.name]`; `values` holds the values of all measurements.

        The lines go to the explorer: they must not spell an answer, and must quote text that a candidate chose
        (`sandbox.sanitize`).
        """
        ...


@dataclass(frozen=True)
class Measures:
    """All measured values of one candidate."""

    label: str
    values: Mapping[str, Any]
    """Values by the name of the measurement."""

    def plain(self) -> dict[str, Any]:
        """Return the values as plain JSON: the candidate's entry in `measures.json`."""
        return {"label": self.label, **asdict(self)["values"]}
