"""The study on one page (`study.html`): self-contained, without scripts, whatever runs say in it escaped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from envdata.atomic import write_text
from graph.study.charts import Series, key, line_chart, over_seeds
from graph.study.comparing import as_rows, beside
from graph.study.findings import Findings
from graph.study.mechanisms import MECHANISMS, SIGNALS
from graph.study.plan import Arm

AXES = {
    "round": ("round", "rounds", False),
    "total_cost": ("US dollars", "money", True),
    "total_tokens": ("tokens of model calls", "tokens", True),
    "total_episodes": ("episodes replayed", "episodes", True),
    "total_minutes": ("minutes", "minutes", True),
}
"""What the gain is drawn against: the column of `rounds`, its label, in a word, and whether steps are drawn."""


def write_page(found: Findings, path: Path, title: str) -> None:
    """Write the page."""
    write_text(path, render(found, title))


def render(found: Findings, title: str) -> str:
    """The page as HTML."""
    environment = Environment(loader=PackageLoader("graph.study", "."), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"points": _points, "signed": _signed, "share": _share, "count": _count, "money": _money}
    runs, candidates = found.runs.to_pylist(), found.candidates.to_pylist()
    arms = list(dict.fromkeys(Arm(row["explorer"], row["ablation"]) for row in runs))
    rounds = {arm: _of_runs(found.rounds, arm) for arm in arms}
    return environment.get_template("page.html").render(
        title=title,
        objective=found.objective,
        arms=[{"name": arm.name, "key": _drawn(key(place)), **_summary(runs, arm)} for place, arm in enumerate(arms)],
        troubles=[row for row in runs if not row["complete"]],
        gains=_gains(arms, rounds),
        compared=as_rows(beside(found.runs)),
        proposals=[{"name": arm.name, "rows": _proposals(candidates, arm)} for arm in arms],
        moved=_chart_of(candidates, arms, "moved", "distance from the nearest earlier source", np.median),
        moved_best=_chart_of(candidates, arms, "moved_from_best", "distance from the best so far", np.median),
        knobs=_chart_of(candidates, arms, "knobs", "knobs", np.mean),
        parents=[{"name": arm.name, "rows": _parents(candidates, arm)} for arm in arms],
        mechanisms=[{"name": arm.name, **_mechanisms(candidates, arm)} for arm in arms],
        meanings=[*MECHANISMS.items(), *SIGNALS.items()],
    )  # fmt: skip


def _drawn(svg: str) -> Markup:
    """A chart as it is: `graph.study.charts` escapes what it is given."""
    return Markup(svg)  # noqa: S704


def _is(row: dict[str, Any], arm: Arm) -> bool:
    return (row["explorer"], row["ablation"]) == (arm.explorer, arm.ablation)


def _of_runs(rounds: pa.Table, arm: Arm) -> dict[str, list[dict[str, Any]]]:
    """The rounds of each run of an arm, by the run."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rounds.to_pylist():
        if _is(row, arm):
            found.setdefault(row["run"], []).append(row)
    return found


def _summary(runs: Sequence[dict[str, Any]], arm: Arm) -> dict[str, Any]:
    own = [row for row in runs if _is(row, arm)]
    done = [row for row in own if row["complete"]]
    said: dict[str, Any] = {"planned": len(own), "done": len(done)}
    for name in ("gain", "search", "heldout", "heldout_over_baseline", "cost", "tokens", "minutes", "episodes"):
        values = [row[name] for row in done if row[name] is not None]
        said[name] = {"mean": float(np.mean(values)), "low": min(values), "high": max(values)} if values else None
    for name in ("candidates", "failed", "duplicates"):
        said[name] = sum(row[name] for row in done)
    return said


def _gains(arms: Sequence[Arm], rounds: dict[Arm, dict[str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """The gain of the frontier against each axis; an axis on which nothing was spent says so."""
    charts = []
    for column, (label, word, steps) in AXES.items():
        series = []
        for arm in arms:
            kept = [own for own in rounds[arm].values() if all(row[column] is not None for row in own)]
            lines = [([row[column] for row in own], [100 * row["gain"] for row in own]) for own in kept]
            spent = any(xs[-1] > 0 for xs, _ in lines)
            empty = Series(arm.name, *(np.zeros(0) for _ in range(4)))
            series.append(over_seeds(arm.name, lines, steps=steps) if lines and spent else empty)
        title = f"Gain of the frontier over the baselines, against {word}"
        chart = line_chart(title, series, label, "gain, points of the objective", steps=steps)
        charts.append({"word": word, "title": title, "chart": _drawn(chart)})
    return charts


def _chart_of(rows: Sequence[dict[str, Any]], arms: Sequence[Arm], column: str, label: str, middle: Any) -> Markup:
    """A figure of the candidates of a round, its middle taken a run, against the round."""
    series = []
    for arm in arms:
        own: dict[str, dict[int, list[float]]] = {}
        for row in rows:
            if _is(row, arm) and row[column] is not None:
                own.setdefault(row["run"], {}).setdefault(row["round"], []).append(row[column])
        lines = [(list(by), [float(middle(values)) for values in by.values()]) for by in own.values()]
        empty = Series(arm.name, *(np.zeros(0) for _ in range(4)))
        series.append(over_seeds(arm.name, lines, steps=False) if lines else empty)
    return _drawn(line_chart(f"{label}, by round", series, "round", label))


def _proposals(rows: Sequence[dict[str, Any]], arm: Arm) -> list[dict[str, Any]]:
    found = []
    for number in sorted({row["round"] for row in rows if _is(row, arm)}):
        own = [row for row in rows if _is(row, arm) and row["round"] == number]
        found.append(
            {
                "round": number,
                "count": len(own),
                "failed": sum(row["status"] != "ok" for row in own) / len(own),
                "duplicates": sum(row["same_as"] is not None for row in own) / len(own),
                "finalists": sum(row["score"] is not None for row in own) / len(own),
            }
        )
    return found


def _parents(rows: Sequence[dict[str, Any]], arm: Arm) -> list[dict[str, Any]]:
    """Where the nearest earlier source comes from, as shares of an arm's candidates."""
    own = [row for row in rows if _is(row, arm) and row["parent_round"] is not None and row["round"] > 1]
    if not own:
        return []
    best = {(row["run"], row["round"], row["label"]) for row in rows if _is(row, arm) and row["best"]}
    kinds = {
        "a baseline": [row for row in own if row["parent_round"] == 0],
        "a candidate of the round before": [row for row in own if row["parent_round"] == row["round"] - 1],
        "an older candidate": [row for row in own if 0 < row["parent_round"] < row["round"] - 1],
        "the best candidate of its round": [
            row for row in own if (row["run"], row["parent_round"], row["parent"]) in best
        ],
    }
    return [
        {
            "kind": kind,
            "share": len(of) / len(own),
            "moved": float(np.median([row["moved"] for row in of])) if of else None,
        }
        for kind, of in kinds.items()
    ]


def _mechanisms(rows: Sequence[dict[str, Any]], arm: Arm) -> dict[str, Any]:
    """The share of proposals that have each mechanism, round by round, and how it lasts among those that count."""
    own = [row for row in rows if _is(row, arm)]
    numbers = sorted({row["round"] for row in own})
    runs = sorted({row["run"] for row in own})
    table = []
    for name in (*MECHANISMS, *SIGNALS):
        known = [row for row in own if row[name] is not None]
        by_round = [[row[name] for row in known if row["round"] == number] for number in numbers]
        lasting = [
            row[name]
            for run in runs
            for first in [min((row["round"] for row in known if row["run"] == run and row[name]), default=None)]
            if first is not None
            for row in known
            if row["run"] == run and row["best"] and row["round"] >= first
        ]
        scored = [row[name] for row in known if row["score"] is not None]
        chosen = [row[name] for row in known if row["selected"]]
        firsts = [min((r["round"] for r in known if r["run"] == run and r[name]), default=None) for run in runs]
        appeared = [first for first in firsts if first is not None]
        table.append(
            {
                "name": name,
                "shares": [sum(values) / len(values) if values else None for values in by_round],
                "first": min(appeared) if appeared else None,
                "finalists": sum(scored) / len(scored) if scored else None,
                "lasts": sum(lasting) / len(lasting) if lasting else None,
                "selected": (sum(chosen), len(chosen)),
            }
        )
    return {"rounds": numbers, "rows": table}


def _points(value: dict[str, float] | None) -> str:
    """A fraction over seeds in points: the mean, and from the lowest to the highest."""
    return "–" if value is None else f"{100 * value['mean']:.2f} ({100 * value['low']:.2f} … {100 * value['high']:.2f})"


def _signed(value: dict[str, float] | None) -> str:
    if value is None:
        return "–"
    middle = value["mean"] if "mean" in value else value["value"]
    return f"{100 * middle:+.2f} ({100 * value['low']:+.2f} … {100 * value['high']:+.2f})"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _count(value: dict[str, float] | None) -> str:
    return "–" if value is None else f"{value['mean']:,.0f}"


def _money(value: dict[str, float] | None) -> str:
    return "unknown" if value is None else f"${value['mean']:.2f}"
