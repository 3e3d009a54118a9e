"""Explanation of a controller by measurements: its sweep, its traces, and the effect of moving each knob alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from envdata.grid import Grid
from envdata.intervals import paired, paired_costs
from envdata.tabular import TabularResult
from graph.analysis.curves import Curve, Questions, questions_of
from graph.analysis.explanation_data import ExplainedPoint, ExplanationData, KnobEffect, KnobMove
from graph.analysis.explanation_tables import rendered
from graph.analysis.traces.failure_digest import failure_digests
from graph.analysis.traces.gold import ReferenceAnswers
from sandbox.candidate import Candidate
from sandbox.evaluate import Description, Evaluator, Plan, Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from envdata.notebook_figure import NotebookFigure

MAX_KNOBS = 40
"""Knobs that are moved; the others of a schedule are only named."""


@dataclass(frozen=True)
class Explanation(ExplanationData, TabularResult):
    """Measurements that explain a controller, printable and plottable."""

    @property
    def table(self) -> pa.Table:
        """Table with a row a β: accuracy in percent with its 95 % interval over questions, tokens, values of knobs."""
        points = self.points if len(self.points) == len(self.betas) else [self.points[0]] * len(self.betas)
        accuracies = [point.accuracy.times(100) for point in points]
        return pa.table(
            {
                "beta": self.betas,
                "accuracy": [each.value for each in accuracies],
                "accuracy_low": pa.array([each.low for each in accuracies], pa.float64()),
                "accuracy_high": pa.array([each.high for each in accuracies], pa.float64()),
                "tokens": [point.tokens for point in points],
                **{f"knob_{knob.name}": pa.array(map(float, knob.values), pa.float64()) for knob in self.knobs},
            }
        )

    def render(self, width: int) -> "Iterator[RenderableType]":
        """Yield the explanation for a terminal: sentences first, then tables."""
        return rendered(self)

    def plot(self) -> "NotebookFigure":
        """Return a plot of the knobs that β moves against β, one panel a knob."""
        from envdata.notebook_figure import new_figure

        moved = [knob for knob in self.knobs if not knob.constant] or list(self.knobs)
        figure = new_figure(6.4, 1 + 1.3 * max(1, len(moved)))
        panels = figure.subplots(max(1, len(moved)), 1, sharex=True, squeeze=False)[:, 0]
        for axes, knob in zip(panels, moved, strict=False):
            axes.plot(self.betas, knob.values, marker="o", markersize=4)
            axes.set_title(knob.name, loc="left", fontsize=10)
        panels[-1].set_xlabel("β")
        return figure


def explain(
    evaluator: Evaluator,
    candidate: Candidate,
    grids: Sequence[str],
    betas: Sequence[float],
    repeats: int,
    *,
    reference: float,
    progress: Progress | None = None,
) -> Explanation:
    """Evaluate a controller over its sweep, and with each knob moved alone at the reference β.

    A knob is moved to its scheduled values at the smallest and the largest β, so every value is one that its author
    intended.

    Args:
        evaluator: Evaluator.
        candidate: The controller.
        grids: Paths of the grids.
        betas: β of the sweep.
        repeats: Number of repeats.
        reference: β at which knobs are moved.
        progress: Progress callback.

    Raises:
        CandidateFailed: The controller does not load.
        GridError: A grid cannot be read.
        InfrastructureError: The host failed.
    """
    swept = tuple(sorted({*betas, reference}))
    description = evaluator.describe(candidate, swept)
    traced = frozenset({swept[0], reference, swept[-1]})
    base = Plan(candidate, tuple(grids), None if description.ignores_beta else swept, repeats, traced)
    variants = _variants(description, candidate, swept.index(reference))
    plans = [
        Plan(replace(candidate, label=label, settings=settings), tuple(grids), (reference,), repeats)
        for label, settings in variants.values()
    ]
    evaluation = evaluator.evaluate([base, *plans], progress)
    questions = questions_of(grids)
    curve = Curve.from_episodes(evaluation.episodes, candidate.label, grids)
    at = 0 if description.ignores_beta else curve.betas.index(reference)
    moves = {
        key: _knob_move(Curve.from_episodes(evaluation.episodes, label, grids), curve, at, questions, key[1])
        for key, (label, _) in variants.items()
    }
    names = list(description.schedules[0])
    knobs = [
        KnobEffect(
            name,
            tuple(schedule[name] for schedule in description.schedules),
            description.schedules[swept.index(reference)][name],
            tuple(move for (knob, _), move in moves.items() if knob == name),
        )
        for name in names
    ]
    settings = evaluator.settings
    answers = {
        path: ReferenceAnswers.of(
            Grid.load(path), order=settings.order, seed=settings.seed, repeat=0, ceiling=settings.terms.max_branches
        )
        for path in grids
    }
    return Explanation(
        label=candidate.label,
        name=description.name,
        doc=description.doc,
        betas=swept,
        reference=reference,
        points=[
            ExplainedPoint(beta, accuracy, tokens)
            for beta, accuracy, tokens in zip(
                curve.betas, curve.accuracy_intervals(questions), curve.tokens.tolist(), strict=True
            )
        ],
        knobs=sorted(knobs, key=lambda knob: (-knob.spread("accuracy"), -knob.spread("tokens"))),
        unmoved=[name for name in names[MAX_KNOBS:] if len({schedule[name] for schedule in description.schedules}) > 1],
        digests=failure_digests(evaluation.traces, candidate.label, answers, settings.terms.max_branches),
        failures=curve.failures,
        why=curve.why,
    )


Variants = dict[tuple[str, float], tuple[str, tuple[tuple[str, float], ...]]]
"""Label and settings of a controller with one knob moved, by the knob's name and value."""


def _variants(description: Description, candidate: Candidate, reference: int) -> Variants:
    here, fixed = description.schedules[reference], {name for name, _ in candidate.settings}
    variants: Variants = {}
    for name in list(here)[:MAX_KNOBS]:
        for schedule in (description.schedules[0], description.schedules[-1]):
            if schedule[name] != here[name] and name not in fixed:
                label = f"{candidate.label} with {name} = {schedule[name]:g}"
                variants[name, schedule[name]] = (label, (*candidate.settings, (name, schedule[name])))
    return variants


def _knob_move(moved: Curve, curve: Curve, at: int, questions: Questions, value: float) -> KnobMove:
    if moved.failures:
        return KnobMove(value, None, None, moved.failures)
    return KnobMove(
        value,
        paired(moved.accuracies(questions, 0), curve.accuracies(questions, at), alike=moved.same_results(curve, 0, at)),
        paired_costs(moved.costs(questions, 0), curve.costs(questions, at)),
        {},
    )
