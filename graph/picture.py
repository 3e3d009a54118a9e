"""Accuracy against tokens: baselines, rounds and the selected controller, on the search set and the held-out set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envdata.atomic import replacing
from graph.context import questions_of
from graph.curves import Curve, Questions
from graph.history import History

# Okabe and Ito's palette, which people with any kind of colour vision can tell apart; each has a marker of its own too.
STYLES: dict[str, tuple[str, str]] = {
    "sc": ("#000000", "o"),
    "asc": ("#0072B2", "s"),
    "esc": ("#56B4E9", "^"),
    "answer_consistency": ("#CC79A7", "v"),
    "st_bon": ("#F0E442", "D"),
    "parallel_probe": ("#009E73", "P"),
    "cmc": ("#E69F00", "X"),
}
NAMES = {
    "sc": "SC",
    "asc": "ASC",
    "esc": "ESC",
    "answer_consistency": "Answer Consistency",
    "st_bon": "ST-BoN",
    "parallel_probe": "Parallel-Probe",
    "cmc": "CMC",
}
DOT: dict[str, Any] = {"markersize": 5, "markeredgecolor": "#444444", "markeredgewidth": 0.4}
RING: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.0}
"""Several methods come down to self-consistency at some settings: its ring shows round their points."""
SELECTED = "#D55E00"
ROUNDS = "#999999"


def draw(history: History, path: Path) -> None:
    """Write the picture as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    heldout = history.heldout()
    figure = Figure(figsize=(11 if heldout else 6.4, 5.1), layout="constrained")
    axes = figure.subplots(1, 2 if heldout else 1, sharey=True, squeeze=False)[0]
    chosen = history.result["selected"] if history.result else None
    # Bands of all would hide one another: the selected controller has one, and what it has to beat.
    banded = [history.result["best_baseline"]] if history.result else []
    _panel(axes[0], history.baselines, history.search_questions(), chosen, banded)
    for record in history.rounds:
        if record.best_curve is not None and record.best != chosen:
            _round_line(axes[0], record.best_curve, record.number)
    selected = history.selected()
    if selected is not None and chosen not in NAMES:
        _selected(axes[0], selected, history.search_questions())
    axes[0].set_title("search set", loc="left", fontsize=11)
    axes[0].set_ylabel("accuracy, %")
    if heldout:
        questions = questions_of(history.settings.heldout)
        _panel(axes[1], {name: curve for name, curve in heldout.items() if name in NAMES}, questions, chosen, banded)
        if chosen in heldout and chosen not in NAMES:
            _selected(axes[1], heldout[chosen], questions)
        axes[1].set_title("held-out set", loc="left", fontsize=11)
    for each in axes:
        _dress(each, history)
    _fit_height(axes[0], axes, history)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5 if heldout else 3, frameon=False, fontsize=9)
    with replacing(path) as temporary:
        # No date and no version in the file: the same run gives the same bytes.
        figure.savefig(temporary, format="png", dpi=130, metadata={"Software": None})


def _panel(
    axes: Any, baselines: Mapping[str, Curve], questions: Questions, chosen: str | None, banded: Sequence[str]
) -> None:
    for name, curve in baselines.items():
        colour, marker = STYLES[name]
        strong = name == chosen
        tokens, accuracy, _, _ = _sorted(curve, questions)
        axes.plot(
            tokens, accuracy, color=colour, marker=marker, linewidth=2.4 if strong else 1.1, zorder=3,
            **(RING if name == "sc" else DOT), label=NAMES[name] + (" (selected)" if strong else ""),
        )  # fmt: skip
        if name in banded:
            _band(axes, curve, questions, colour)


def _round_line(axes: Any, curve: Curve, number: int) -> None:
    order = sorted(range(len(curve.tokens)), key=lambda point: curve.tokens[point])
    label = "best of each other round" if not any(line.get_color() == ROUNDS for line in axes.lines) else None
    tokens, accuracy = [curve.tokens[p] for p in order], [100 * curve.accuracy[p] for p in order]
    axes.plot(tokens, accuracy, color=ROUNDS, linewidth=1, linestyle=(0, (3, 2)), label=label, zorder=2)
    # The number stands at a place of its own for each round, so that they do not cover one another.
    at = min(len(order) - 1, 1 + number)
    axes.annotate(
        str(number), (tokens[at], accuracy[at]), textcoords="offset points", xytext=(0, 4),
        fontsize=7, color="#666666", ha="center", zorder=2,
    )  # fmt: skip


def _selected(axes: Any, curve: Curve, questions: Questions) -> None:
    tokens, accuracy, _, _ = _sorted(curve, questions)
    axes.plot(
        tokens, accuracy, color=SELECTED, marker="*", markersize=9, linewidth=2.2, markeredgecolor="white",
        markeredgewidth=0.6, label=f"discovered ({curve.label})", zorder=5,
    )  # fmt: skip
    _band(axes, curve, questions, SELECTED)


def _band(axes: Any, curve: Curve, questions: Questions, colour: str) -> None:
    tokens, _, low, high = _sorted(curve, questions)
    axes.fill_between(tokens, low, high, color=colour, alpha=0.13, linewidth=0, zorder=1)


def _sorted(curve: Curve, questions: Questions) -> tuple[list[float], list[float], list[float], list[float]]:
    """Tokens, accuracy and its interval in percent, cheapest first."""
    rows = zip(curve.tokens.tolist(), curve.accuracy_intervals(questions), strict=True)
    ranked = sorted(((t, 100 * i.value, 100 * i.low, 100 * i.high) for t, i in rows), key=lambda row: row[0])
    tokens, accuracy, low, high = (list(column) for column in zip(*ranked, strict=True))
    return tokens, accuracy, low, high


def _dress(axes: Any, history: History) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlabel("tokens a question (log scale)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    # What is cheaper than one branch read whole is left of the range that counts, and mostly empty.
    axes.set_xlim(history.low / 2.5, history.high * 1.25)
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _fit_height(shared: Any, axes: Sequence[Any], history: History) -> None:
    """Show what lies in the range of tokens that counts, and what stands a little left of it."""
    least, most = history.low / 2.5, history.high * 1.25
    seen = [y for each in axes for line in each.lines for x, y in line.get_xydata() if least <= x <= most]
    seen += [y for each in axes for band in each.collections for path in band.get_paths() for _, y in path.vertices]
    room = 0.05 * (max(seen) - min(seen) or 1)
    shared.set_ylim(max(0, min(seen) - room), min(100 + room, max(seen) + room))


def _short(tokens: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:g}{letter}"
    return f"{tokens:g}"
