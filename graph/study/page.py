"""The study on one page (`study.html`), which needs no network and no other file.

Charts are drawn by the run page's scripts; their figures, and everything else, stand in tables too.
"""

from collections.abc import Sequence, Set
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from envdata.atomic import write_text
from envdata.intervals import Interval, number_text
from graph.critic.mechanisms import MECHANISMS, SIGNALS
from graph.report.page.embedding import embedded, joined, page_file, policy
from graph.study.arms import arm_summary, arms_of, code_charts, gain_charts, is_of, rounds_by_run
from graph.study.comparison import as_rows, compare_loop
from graph.study.findings import findings
from graph.study.plan import Arm
from graph.study.roles import roles_table
from graph.study.tables import StudyTables


def write_page(found: StudyTables, path: Path, title: str) -> None:
    """Write the page."""
    own = {row["run"] for row in found.runs.to_pylist() if (path.parent / _report(row["run"])).exists()}
    write_text(path, render(found, title, own))


def render(found: StudyTables, title: str, linked: Set[str] = frozenset()) -> str:
    """Return the page as HTML; `linked` are the runs whose pages stand in the folder `runs` beside it."""
    environment = Environment(loader=PackageLoader("graph.study", "."), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "points_of": lambda share, form=".2f": "–" if share is None else number_text(100 * share, form),
        "points": _points,
        "signed": _signed,
        "share": _share,
        "interval": _interval,
        "count": _count,
        "money": _money,
    }
    runs, candidates = found.runs.to_pylist(), found.candidates.to_pylist()
    arms = arms_of(found)
    rounds = {arm: rounds_by_run(found.rounds, arm) for arm in arms}
    gains, moves = gain_charts(found), code_charts(found)
    summaries = [{"name": arm.name, **arm_summary(runs, arm)} for arm in arms]
    compared = compare_loop(found.runs)
    data = {
        "arms": [arm.name for arm in arms],
        "charts": [each.as_data() for each in (*gains, *moves) if not each.empty],
    }
    return environment.get_template("page.html").render(
        title=title,
        objective=found.objective,
        findings=findings(summaries, compared),
        runs=[
            {
                **row,
                "arm": Arm(row["explorer"], row["ablation"]).name,
                "page": _report(row["run"]) if row["run"] in linked else None,
            }
            for row in runs
        ],
        arms=summaries,
        troubles=[row for row in runs if not row["complete"]],
        gains=gains,
        moves=moves,
        compared=as_rows(compared),
        proposals=[{"name": arm.name, "rows": _proposals(candidates, arm)} for arm in arms],
        parents=[{"name": arm.name, "rows": _parents(candidates, arm)} for arm in arms],
        roles=[
            {"name": arm.name, "rows": roles_table([row for row in candidates if is_of(row, arm)], rounds[arm])}
            for arm in arms
        ],
        mechanisms=[{"name": arm.name, **_mechanisms(candidates, arm)} for arm in arms],
        meanings=[*MECHANISMS.items(), *SIGNALS.items()],
        style=Markup(_style()),  # noqa: S704 - the project's own files
        script=Markup(_script()),  # noqa: S704 - likewise
        data=Markup(embedded(data)),  # noqa: S704 - holds no character that markup is made of
        policy=policy(_style(), _script()),
    )


def _report(run: str) -> str:
    return f"runs/{run}/report.html"


@cache
def _style() -> str:
    return page_file("page.css") + _own_file("study.css")


@cache
def _script() -> str:
    return joined(*(page_file(f"{name}.js") for name in ("dom", "export", "marks", "chart")), _own_file("study.js"))


def _own_file(name: str) -> str:
    return resources.files("graph.study").joinpath(name).read_text(encoding="utf-8")


def _proposals(rows: Sequence[dict[str, Any]], arm: Arm) -> list[dict[str, Any]]:
    found = []
    for number in sorted({row["round"] for row in rows if is_of(row, arm)}):
        own = [row for row in rows if is_of(row, arm) and row["round"] == number]
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
    own = [row for row in rows if is_of(row, arm) and row["parent_round"] is not None and row["round"] > 1]
    if not own:
        return []
    best = {(row["run"], row["round"], row["label"]) for row in rows if is_of(row, arm) and row["best"]}
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
    own = [row for row in rows if is_of(row, arm)]
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
    return "–" if value is None else Interval(value["mean"], value["low"], value["high"]).text(100)


def _signed(value: dict[str, float] | None) -> str:
    if value is None:
        return "–"
    middle = value["mean"] if "mean" in value else value["value"]
    return Interval(middle, value["low"], value["high"]).text(100, "+.2f")


def _interval(value: dict[str, float | None] | None) -> str:
    """A fraction in percent or points with its interval, if there is one."""
    if value is None or value["value"] is None:
        return "–"
    return Interval(value["value"], value["low"], value["high"]).text(100, "+.2f")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _count(value: dict[str, float] | None) -> str:
    return "–" if value is None else f"{value['mean']:,.0f}"


def _money(value: dict[str, float] | None) -> str:
    return "unknown" if value is None else f"${value['mean']:.2f}"
