"""Explanations as text and tables for a terminal, and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from envdata.intervals import number_text
from graph.analysis.explanation_data import ExplanationData, KnobEffect
from graph.analysis.explanation_text import explanation_sentences
from graph.analysis.traces.endings import ENDINGS

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = 6
"""Columns of β in a table, at most."""


def as_object(explanation: ExplanationData) -> dict[str, Any]:
    """Return an explanation as JSON (`--json`): accuracies in percent, a missing interval as null."""
    values = {**asdict(explanation), "words": explanation_sentences(explanation)}
    for point, own in zip(values["points"], explanation.points, strict=True):
        point["accuracy"] = asdict(own.accuracy.times(100))
    for knob, moves in zip(values["knobs"], (knob.moves for knob in explanation.knobs), strict=True):
        for move, own_move in zip(knob["moves"], moves, strict=True):
            if own_move.accuracy is not None:
                move["accuracy"] = {
                    "a": 100 * own_move.accuracy.a,
                    "b": 100 * own_move.accuracy.b,
                    "difference": asdict(own_move.accuracy.difference.times(100)),
                    "superiority": own_move.accuracy.superiority,
                }
    return values


def rendered(explanation: ExplanationData) -> "Iterator[RenderableType]":
    """Yield an explanation for a terminal: sentences first, then the tables with the figures behind them."""
    from rich.text import Text

    yield Text(f"{explanation.label} ({explanation.name})", style="bold")
    yield from map(Text, explanation_sentences(explanation))
    yield Text()
    yield _sweep(explanation)
    if any(knob.moves for knob in explanation.knobs):
        yield _effects(explanation)
    if explanation.unmoved:
        yield Text(f"Not moved, for there are too many: {', '.join(explanation.unmoved)}")
    yield _ends(explanation)


def _sweep(explanation: ExplanationData) -> Any:
    from rich.table import Table
    from rich.text import Text

    shown = _spread(len(explanation.betas))
    table = Table(title="over β", title_justify="left")
    table.add_column("", overflow="fold")
    for place in shown:
        table.add_column(f"β = {explanation.betas[place]:g}", justify="right")
    table.add_column("", overflow="fold")
    if len(explanation.points) == len(explanation.betas):
        points = [explanation.points[place] for place in shown]
    else:
        points = [explanation.points[0] for _ in shown]
    table.add_row("accuracy %", *(f"{100 * point.accuracy.value:.2f}" for point in points), "")
    table.add_row("tokens", *(f"{point.tokens:,.0f}" for point in points), "", end_section=True)
    for knob in explanation.knobs:
        table.add_row(Text(knob.name), *(f"{knob.values[place]:.4g}" for place in shown), knob.trend)
    return table


def _effects(explanation: ExplanationData) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"one knob moved at β = {explanation.reference:g}, all others as they are", title_justify="left"
    )
    for name in ("knob", "from", "to", "accuracy, points", "tokens"):
        table.add_column(name, justify="left" if name == "knob" else "right")
    for knob in explanation.knobs:
        for row in _rows(knob):
            table.add_row(Text(knob.name), *row)
    return table


def _rows(knob: KnobEffect) -> list[tuple[str, str, str, str]]:
    rows = []
    for move in knob.moves:
        if move.accuracy is None or move.tokens is None:
            accuracy, tokens = "failed", ", ".join(move.failures)
        else:
            accuracy = move.accuracy.difference.text(100, "+.2f")
            tokens = f"{number_text(100 * (move.tokens.a / move.tokens.b - 1), '+.1f')} %" if move.tokens.b else "–"
        rows.append((f"{knob.reference:.4g}", f"{move.value:.4g}", accuracy, tokens))
    return rows


def _ends(explanation: ExplanationData) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="how traced episodes end (repeat 0)", title_justify="left")
    for name in ("β", "episodes", "right", "tokens", "because", "its last remark"):
        table.add_column(name, justify="left" if name in ("because", "its last remark") else "right")
    for digest in explanation.digests:
        for stop in digest.stops:
            beta = "–" if digest.beta is None else f"{digest.beta:g}"
            table.add_row(
                beta,
                str(stop.episodes),
                str(stop.right),
                f"{stop.tokens:,.0f}",
                ENDINGS[stop.end],
                Text(stop.said or ""),
            )
    return table


def _spread(count: int) -> list[int]:
    """Return evenly spaced indices of at most `COLUMNS` of `count` β, including both ends."""
    if count <= COLUMNS:
        return list(range(count))
    return [round(place * (count - 1) / (COLUMNS - 1)) for place in range(COLUMNS)]
