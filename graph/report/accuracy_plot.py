"""Plot of accuracy against tokens: baselines, rounds and the selected controller, on the search and held-out sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envdata.atomic import replacing
from graph.analysis.curves import Curve, Questions
from graph.run.record import RunRecord

if TYPE_CHECKING:
    from envdata.notebook_figure import NotebookFigure

# Colours are distinguishable with any kind of colour vision; where controllers share a colour, their markers differ. On
# the page green and magenta are right and wrong answers, and as here vermilion is the selected controller: no baseline
# has one of them (`graph/report/templates/page/marks.js`).
STYLES: dict[str, tuple[str, str]] = {
    "sc": ("#000000", "o"),
    "asc": ("#0072B2", "s"),
    "esc": ("#56B4E9", "^"),
    "answer_consistency": ("#8064B4", "v"),
    "st_bon": ("#F0E442", "D"),
    "parallel_probe": ("#8C6239", "P"),
    "cmc": ("#E69F00", "X"),
    "first_finished": ("#56B4E9", "d"),
    "consol": ("#E69F00", "p"),
    "deepconf": ("#F0E442", "P"),
    "surge": ("#0072B2", "v"),
    "hindsight": ("#8C6239", "D"),
    "photo_finish": ("#8064B4", "s"),
    "purse": ("#0072B2", "D"),
    "best_of": ("#56B4E9", "*"),
}
OTHER = ("#777777", "h")
"""Style of baselines without one of their own."""
NAMES = {
    "sc": "SC",
    "asc": "ASC",
    "esc": "ESC",
    "answer_consistency": "Answer Consistency",
    "st_bon": "ST-BoN",
    "parallel_probe": "Parallel-Probe",
    "cmc": "CMC",
    "first_finished": "First Finished",
    "consol": "ConSol",
    "deepconf": "DeepConf",
    "surge": "Surge",
    "hindsight": "Hindsight",
    "photo_finish": "Photo Finish",
    "purse": "Purse",
    "best_of": "Best of n",
}
PARTS = {"search": "search set", "heldout": "held-out set"}
"""Names of the sets of questions, by their keys in `result.json`."""
DOT: dict[str, Any] = {"markersize": 5, "markeredgecolor": "#444444", "markeredgewidth": 0.4}
RING: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.0}
"""Marker of self-consistency, visible around the points of other methods, which coincide with it at some settings."""
SELECTED = "#D55E00"
ROUNDS = "#999999"


def draw(run: RunRecord, path: Path) -> None:
    """Write the plot of a run as a PNG. Raises GridError or RunError as `plot_run` does."""
    with replacing(path) as temporary:
        # No date or version in the file: the same run gives the same bytes.
        plot_run(run).savefig(temporary, format="png", dpi=130, metadata={"Software": None})


def plot_run(run: RunRecord) -> "NotebookFigure":
    """Return the plot of a run as a figure.

    Raises:
        GridError: A grid of the run cannot be read.
        RunError: The content of a grid is not the run's.
    """
    from envdata.notebook_figure import new_figure

    heldout = run.heldout()
    figure = new_figure(11 if heldout else 6.4, 5.1)
    axes = figure.subplots(1, 2 if heldout else 1, sharey=True, squeeze=False)[0]
    chosen = run.result["selected"] if run.result else None
    # Bands of all curves would overlap: only the selected controller and the best baseline have one.
    banded = [run.result["best_baseline"]] if run.result else []
    _panel(axes[0], run.baselines, run.search_questions(), chosen, banded)
    for record in run.rounds:
        if record.best_curve is not None and record.best != chosen:
            _round_line(axes[0], record.best_curve, record.number)
    selected = run.selected()
    if selected is not None and chosen not in run.settings.baselines:
        _selected(axes[0], selected, run.search_questions())
    axes[0].set_title("search set", loc="left", fontsize=11)
    axes[0].set_ylabel("accuracy, %")
    if heldout:
        questions = run.heldout_questions()
        names = run.settings.baselines
        _panel(axes[1], {name: curve for name, curve in heldout.items() if name in names}, questions, chosen, banded)
        if chosen in heldout and chosen not in names:
            _selected(axes[1], heldout[chosen], questions)
        axes[1].set_title("held-out set", loc="left", fontsize=11)
    for each in axes:
        _style(each, run)
    _fit_height(axes[0], axes, run)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5 if heldout else 3, frameon=False, fontsize=9)
    return figure


def _panel(
    axes: Any, baselines: Mapping[str, Curve], questions: Questions, chosen: str | None, banded: Sequence[str]
) -> None:
    for name, curve in baselines.items():
        colour, marker = STYLES.get(name, OTHER)
        strong = name == chosen
        tokens, accuracy, _, _ = _sorted(curve, questions)
        axes.plot(
            tokens, accuracy, color=colour, marker=marker, linewidth=2.4 if strong else 1.1, zorder=3,
            **(RING if name == "sc" else DOT), label=NAMES.get(name, name) + (" (selected)" if strong else ""),
        )  # fmt: skip
        if name in banded:
            _band(axes, curve, questions, colour)


def _round_line(axes: Any, curve: Curve, number: int) -> None:
    order = sorted(range(len(curve.tokens)), key=lambda point: curve.tokens[point])
    label = "best of each other round" if not any(line.get_color() == ROUNDS for line in axes.lines) else None
    tokens, accuracy = [curve.tokens[p] for p in order], [100 * curve.accuracy[p] for p in order]
    axes.plot(tokens, accuracy, color=ROUNDS, linewidth=1, linestyle=(0, (3, 2)), label=label, zorder=2)
    # Each round's number is at another point, so that numbers do not overlap.
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
    """Return tokens, accuracy, and the ends of its interval, in percent, sorted by tokens."""
    rows = zip(curve.tokens.tolist(), curve.accuracy_intervals(questions), strict=True)
    ranked = sorted(
        # With one question there is no interval, and the band has no width.
        ((t, *(100 * (i.value if end is None else end) for end in (i.value, i.low, i.high))) for t, i in rows),
        key=lambda row: row[0],
    )
    tokens, accuracy, low, high = (list(column) for column in zip(*ranked, strict=True))
    return tokens, accuracy, low, high


def _style(axes: Any, run: RunRecord) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from envdata.notebook_figure import style_axes

    axes.set_xscale("log")
    axes.set_xlabel("tokens a question (log scale)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    # Points cheaper than one whole branch are left of the objective's range, which is mostly empty there.
    low, high = shown_range(run)
    axes.set_xlim(low / 2.5, high * 1.25)
    style_axes(axes)


def _fit_height(shared: Any, axes: Sequence[Any], run: RunRecord) -> None:
    """Fit the y axis to the curves and bands within the objective's range of tokens and slightly left of it."""
    low, high = shown_range(run)
    least, most = low / 2.5, high * 1.25
    seen = [y for each in axes for line in each.lines for x, y in line.get_xydata() if least <= x <= most]
    seen += [y for each in axes for band in each.collections for path in band.get_paths() for _, y in path.vertices]
    room = 0.05 * (max(seen) - min(seen) or 1)
    shared.set_ylim(max(0, min(seen) - room), min(100 + room, max(seen) + room))


def shown_range(run: RunRecord) -> tuple[float, float]:
    """Return the range of tokens to show: the objective's, or where that is in other costs, that of the baselines."""
    low, high = run.low, run.high
    if run.settings.latency:
        low = min(float(curve.tokens.min()) for curve in run.baselines.values())
        high = max(float(curve.tokens.max()) for curve in run.baselines.values())
    return low, high


def _short(tokens: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:g}{letter}"
    return f"{tokens:g}"
