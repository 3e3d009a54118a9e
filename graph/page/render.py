"""The page of a run as HTML: one file with its style, its scripts and its data, and a policy that admits nothing else.

The policy names style and script by their hashes: a script that a candidate, a model or a grid smuggled in would not
run even if it got into the page as markup, which escaping keeps it from.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from graph.history import History
from graph.page.data import page_data
from graph.page.packing import embedded
from graph.picture import NAMES

SCRIPTS = (
    "dom", "marks", "chart", "accuracy", "trajectory", "diff", "rounds", "episode", "stage", "sources", "theatre",
    "failures", "main",
)  # fmt: skip
"""The page's scripts, in the order in which they build on one another (`graph/templates/page/*.js`)."""


def render(history: History, live: dict[str, Any] | None = None) -> str:
    """The page.

    `live` tells the scripts of a server behind it: the paths `replay` and `state`, and the `version` shown.

    Raises GridError if a grid of the run has gone.
    """
    data = page_data(history)
    if live is not None:
        data["live"] = live
    return (
        _environment()
        .get_template("page/page.html")
        .render(
            history=history,
            settings=history.settings,
            result=history.result,
            rows=figures(history.result) if history.result else [],
            selected_source=history.folder.selected.read_text(encoding="utf-8") if history.result else "",
            frontier=history.frontier.to_pylist() if history.frontier is not None else [],
            facts=_facts(data),
            live=live,
            style=Markup(style()),  # noqa: S704 - the project's own file
            script=Markup(script()),  # noqa: S704 - likewise
            data=Markup(embedded(data)),  # noqa: S704 - holds no character that markup is made of
            policy=policy(script(), live=live is not None),
        )
    )


def policy(code: str, *, live: bool) -> str:
    """The content security policy of a page with this script: its own style and script, and its server if any."""
    own = (
        f"default-src 'none'; script-src {_hash(code)}; style-src {_hash(style())}; base-uri 'none'; form-action 'none'"
    )
    return own + ("; connect-src 'self'" if live else "")


def index(states: Sequence[Any]) -> str:
    """The page that lists runs; `states` are their `graph.ui.runs.RunState`."""
    return _plain("Runs", states=states, why="", going_on=not all(each.ended for each in states))


def waiting(name: str, why: str) -> str:
    """The page of a run that has nothing to show yet; it looks again by itself."""
    return _plain(name, states=[], why=why, going_on=True)


@cache
def style() -> str:
    """The style sheet, as it stands in pages."""
    return _file("page.css")


@cache
def script() -> str:
    """The run page's scripts as one."""
    parts = "\n".join(_file(f"{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def figures(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a controller: its objective on the search set and on the held-out set, the selected one first."""
    names = [result["selected"], *(name for name in result["search"]["scores"] if name != result["selected"])]
    heldout = result.get("heldout", {}).get("scores", {})
    rows = [
        {
            "name": name,
            "search": result["search"]["scores"][name],
            "heldout": heldout.get(name),
            "selected": name == result["selected"],
        }
        for name in names
    ]
    first, others = rows[0], rows[1:]
    return [first, *sorted(others, key=lambda row: -row["search"]["value"] if row["search"] else 0)]


def _plain(title: str, **shown: Any) -> str:
    own = Markup(style())  # noqa: S704 - the project's own file
    template = _environment().get_template("page/index.html")
    return template.render(title=title, style=own, policy=policy("", live=False), **shown)


def _file(name: str) -> str:
    return resources.files("graph").joinpath("templates", "page", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("graph"), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"points": _points, "signed": _signed, "named": _named, "thousands": _thousands}
    return environment


def _facts(data: dict[str, Any]) -> list[tuple[str, str]]:
    total, rounds = data["total"], data["rounds"]
    proposed = sum(len(each["candidates"]) for each in rounds)
    facts = [(f"{len(rounds)} of {data['rounds_planned']}", "rounds"), (f"{proposed:,}", "candidates proposed")]
    if total["episodes"] is not None:
        facts.append((f"{total['episodes']:,}", "episodes replayed"))
    if total["minutes"] is not None:
        facts.append((f"{total['minutes']:.1f}", "minutes"))
    if total["cost"] is not None:
        facts.append((f"${total['cost']:.2f}" if isinstance(total["cost"], float) else "unknown", "for model calls"))
    return facts


def _points(value: dict[str, float] | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value['value']:.2f} ({100 * value['low']:.2f} … {100 * value['high']:.2f})"


def _signed(value: dict[str, float] | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value['value']:+.2f} ({100 * value['low']:+.2f} … {100 * value['high']:+.2f})"


def _named(label: str) -> str:
    return NAMES.get(label, label)


def _thousands(value: float) -> str:
    return f"{value:,.0f}"
