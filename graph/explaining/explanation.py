"""What a controller does, measured: its sweep, its traces, and the same again with one knob moved at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from envdata.grid import Grid
from envdata.scoring import Interval, Paired, paired
from graph.critic.digest import Digest, digests
from graph.critic.recorded import Recorded
from graph.curves import Curve, Questions
from sandbox.candidate import Candidate
from sandbox.evaluate import Description, Evaluator, Plan, Progress

MAX_KNOBS = 40
"""Knobs that are moved; a schedule may have more, and then the others are named."""


@dataclass(frozen=True)
class Move:
    """One knob at another value, the others as the schedule has them at the β of reference."""

    value: float
    accuracy: Paired | None
    """Moved − as it is, fractions; None if episodes failed."""
    tokens: Paired | None
    failures: Mapping[str, int]
    """Episodes by status."""


@dataclass(frozen=True)
class Knob:
    """A knob over β, and what it does by itself."""

    name: str
    values: tuple[float, ...]
    """At each β of the sweep."""
    reference: float
    """At the β of reference."""
    moves: tuple[Move, ...]
    """To its values for the smallest and the largest β, where those differ from the one of reference."""

    @property
    def constant(self) -> bool:
        """Whether β does not move it."""
        return len(set(self.values)) == 1

    @property
    def trend(self) -> str:
        """`constant`, `rises`, `falls` or `goes both ways`."""
        steps = [b - a for a, b in zip(self.values, self.values[1:], strict=False)]
        rises, falls = any(step > 0 for step in steps), any(step < 0 for step in steps)
        return "goes both ways" if rises and falls else "rises" if rises else "falls" if falls else "constant"

    def reach(self, figure: str) -> float:
        """How far its moves take `accuracy` (a fraction) or `tokens` (a share of those of reference) apart."""
        found = [getattr(move, figure) for move in self.moves]
        known = [one for one in found if one is not None]
        if not known:
            return 0.0
        scale = known[0].b if figure == "tokens" else 1.0
        ends = [0.0, *(one.difference.value / scale if scale else 0.0 for one in known)]
        return float(max(ends) - min(ends))


@dataclass(frozen=True)
class Point:
    """One point of the sweep, means over grids."""

    beta: float | None
    accuracy: Interval
    tokens: float


@dataclass(frozen=True)
class Explanation:
    """All that was measured."""

    label: str
    name: str
    doc: str
    betas: tuple[float, ...]
    reference: float
    """The β at which knobs are moved."""
    points: Sequence[Point]
    knobs: Sequence[Knob]
    unmoved: Sequence[str]
    """Knobs beyond `MAX_KNOBS`."""
    digests: Sequence[Digest]
    """Of the traced β, repeat 0."""
    failures: Mapping[str, int]
    why: str | None


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
    """Play a controller over its sweep, and with each knob moved alone at the β `reference`.

    A knob is moved to the values that the schedule gives it at the smallest and the largest β, so that every value is
    one that its author meant. Raises CandidateFailed if it does not load, GridError, InfrastructureError.
    """
    swept = tuple(sorted({*betas, reference}))
    said = evaluator.describe(candidate, swept)
    traced = frozenset({swept[0], reference, swept[-1]})
    base = Plan(candidate, tuple(grids), None if said.ignores_beta else swept, repeats, traced)
    moved = dict(_moves(said, candidate, swept.index(reference)))
    plans = [
        Plan(replace(candidate, label=label, settings=settings), tuple(grids), (reference,), repeats)
        for label, settings in moved.values()
    ]
    played = evaluator.evaluate([base, *plans], progress)
    questions = Questions(tuple(grids), tuple(tuple(Grid.load(grid).questions) for grid in grids))
    curve = Curve.from_episodes(played.episodes, candidate.label, grids)
    at = 0 if said.ignores_beta else curve.betas.index(reference)
    found = {
        key: _compared(Curve.from_episodes(played.episodes, label, grids), curve, at, questions, key[1])
        for key, (label, _) in moved.items()
    }
    names = list(said.schedules[0])
    knobs = [
        Knob(
            name,
            tuple(schedule[name] for schedule in said.schedules),
            said.schedules[swept.index(reference)][name],
            tuple(move for (knob, _), move in found.items() if knob == name),
        )
        for name in names
    ]
    settings = evaluator.settings
    recorded = {
        path: Recorded.of(
            Grid.load(path), order=settings.order, seed=settings.seed, repeat=0, ceiling=settings.terms.max_branches
        )
        for path in grids
    }
    return Explanation(
        label=candidate.label,
        name=said.name,
        doc=said.doc,
        betas=swept,
        reference=reference,
        points=[
            Point(beta, accuracy, tokens)
            for beta, accuracy, tokens in zip(
                curve.betas, curve.accuracy_intervals(questions), curve.tokens.tolist(), strict=True
            )
        ],
        knobs=sorted(knobs, key=lambda knob: (-knob.reach("accuracy"), -knob.reach("tokens"))),
        unmoved=[name for name in names[MAX_KNOBS:] if len({schedule[name] for schedule in said.schedules}) > 1],
        digests=digests(played.traces, candidate.label, recorded, settings.terms.max_branches),
        failures=curve.failures,
        why=curve.why,
    )


Moves = dict[tuple[str, float], tuple[str, tuple[tuple[str, float], ...]]]


def _moves(said: Description, candidate: Candidate, reference: int) -> Moves:
    """By knob and value: the label and the settings of the controller that has it there."""
    here, fixed = said.schedules[reference], {name for name, _ in candidate.settings}
    found: Moves = {}
    for name in list(here)[:MAX_KNOBS]:
        for schedule in (said.schedules[0], said.schedules[-1]):
            if schedule[name] != here[name] and name not in fixed:
                label = f"{candidate.label} with {name} = {schedule[name]:g}"
                found[name, schedule[name]] = (label, (*candidate.settings, (name, schedule[name])))
    return found


def _compared(moved: Curve, curve: Curve, at: int, questions: Questions, value: float) -> Move:
    if moved.failures:
        return Move(value, None, None, moved.failures)
    tokens, accuracy = moved.resampled(questions)
    other_tokens, other_accuracy = curve.resampled(questions)
    return Move(
        value,
        paired(float(moved.accuracy[0]), float(curve.accuracy[at]), accuracy[:, 0], other_accuracy[:, at]),
        paired(
            float(moved.tokens[0]), float(curve.tokens[at]), tokens[:, 0], other_tokens[:, at], lower_is_better=True
        ),
        {},
    )
