"""The page of a run as HTML (`report.html`), which needs no network and no other file, and its plot as a PNG."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from envdata.atomic import write_text
from envdata.intervals import Interval
from graph.report.accuracy_plot import NAMES, draw
from graph.report.finding import finding_of
from graph.report.page.data import page_data
from graph.report.page.embedding import embedded, joined, page_file, policy
from graph.report.selection_text import selection_lines
from graph.run.files import read_source
from graph.run.paths import RunFolder, read_json
from graph.run.record import RunRecord, load
from sandbox.evaluate import Progress

SCRIPTS = (
    "dom", "export", "icons", "links", "marks", "chart", "differences", "accuracy", "trajectory", "diff", "rounds",
    "genealogy", "episode", "event_text", "stage", "sources", "first_question", "theatre", "failures",
    "compare", "main",
)  # fmt: skip
"""Scripts of the page in the order of their dependencies (`graph/report/templates/page/*.js`)."""
INDEX_SCRIPTS = ("dom", "export", "links", "marks", "chart", "index")
"""Scripts of the page that lists runs."""


def write_report(folder: RunFolder, progress: Progress | None = None) -> None:
    """Write the plot and the page from what the folder holds; `progress` counts rounds. Raises RunError, GridError."""
    history = load(folder.path)
    draw(history, folder.picture)
    write_text(folder.report, render(history, progress=progress))


def render(run: RunRecord, live: dict[str, Any] | None = None, progress: Progress | None = None) -> str:
    """Return the page of a run as HTML.

    Args:
        run: The run.
        live: Data for the scripts of a page behind a server: the paths `replay`, `state` and `paper`, and the `version`
            shown.
        progress: Called with the number of rounds done and of all, the baselines' round among them.

    Raises:
        GridError: A grid of the run cannot be read.
        RunError: A grid's content is not the run's, or a file is damaged.
    """
    data = page_data(run, progress)
    accounting = read_json(run.folder.accounting) if run.folder.accounting.exists() else {}
    if live is not None:
        data["live"] = live
    return (
        _environment()
        .get_template("page/page.html")
        .render(
            history=run,
            settings=run.settings,
            result=run.result,
            rows=figures(run.result) if run.result else [],
            selected_source=read_source(run.folder.selected) if run.result else "",
            frontier=run.frontier.to_pylist() if run.frontier is not None else [],
            finding=finding_of(run, accounting),
            part="Held out" if "heldout" in data["against"] else "On the search set, where it was chosen",
            cards=_cards(data["against"]),
            selection=selection_lines(run.result.get("selection"), run.settings.grids) if run.result else [],
            live=live,
            style=Markup(style()),  # noqa: S704 - the project's own file
            script=Markup(script()),  # noqa: S704 - likewise
            data=Markup(embedded(data)),  # noqa: S704 - holds no character that markup is made of
            policy=policy(style(), script(), live=live is not None),
        )
    )


def index(cards: Sequence[Mapping[str, Any]], folder: str) -> str:
    """Return the page that lists the runs of a folder; `cards` are those of `graph.report.ui.cards`."""
    return _plain("index", script=index_script(), data={"cards": cards, "folder": folder})


def waiting(name: str, why: str) -> str:
    """Return the page of a run without results yet, which reloads itself; `why` is the reason."""
    return _plain("waiting", title=name, why=why)


def style() -> str:
    """Return the style sheet of the pages."""
    return page_file("page.css")


@cache
def script() -> str:
    """Return the scripts of the run page, joined into one."""
    return joined(*(page_file(f"{name}.js") for name in SCRIPTS))


@cache
def index_script() -> str:
    """Return the scripts of the page that lists runs, joined into one."""
    return joined(*(page_file(f"{name}.js") for name in INDEX_SCRIPTS))


def figures(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a controller with its objective on the search and held-out sets; the selected one first.

    Args:
        result: Content of `result.json`.
    """
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


def _plain(name: str, script: str = "", data: Any = None, **shown: Any) -> str:
    own = style() + page_file("index.css")
    return (
        _environment()
        .get_template(f"page/{name}.html")
        .render(
            style=Markup(own),  # noqa: S704 - the project's own files
            script=Markup(script),  # noqa: S704 - likewise
            data=Markup(embedded(data)),  # noqa: S704 - holds no character that markup is made of
            policy=policy(own, script, live=bool(script)),
            **shown,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("graph.report"), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"points": _points, "signed": _signed, "named": _named, "thousands": _thousands}
    environment.filters["minus_signs"] = _minus_signs
    return environment


def _cards(against: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the figures that the page opens with: each with its interval in words and whether that contains 0."""
    found = against.get("heldout") or against.get("search")
    if not found:
        return []
    own, reference = found["own"], found["reference"]
    theirs = f"{100 * reference['accuracy']['value']:.1f} %"
    # Between two points of the sweep the saving is larger than at the first that is as accurate.
    saved = found["saving"]["value"]
    tokens = (1 - saved) * reference["tokens"] if saved > 0 else own["tokens"]
    instead = f"{tokens:,.0f} instead of {reference['tokens']:,.0f} a question"
    if own["accuracy"]["value"] < reference["accuracy"]["value"]:
        instead = f"it does not reach {theirs}"
    cards = [_card(found["saving"], "%", "tokens saved at its accuracy", instead)]
    if found["accuracy"] is not None:
        there = f"{100 * found['accuracy']['value']:.1f} % instead of {theirs}"
        cards.append(_card(found["difference"], "points", "accuracy at its tokens", there))
    if found["latency"] is not None:
        cards.insert(1, _latency_card(found))
    return cards


def _card(value: dict[str, Any], unit: str, name: str, instead: str) -> dict[str, Any]:
    interval = Interval(**value)
    form = ".0f" if unit == "%" else "+.1f"
    figure, _, between = interval.text(100, form).partition(" ")
    return {"figure": f"{figure} {unit}", "between": between.strip("()"), "name": name, "instead": instead,
            "inside": not interval.sign}  # fmt: skip


def _latency_card(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card on latency: the share that is saved, or the factor by which it is longer."""
    own, reference, saved = found["own"], found["reference"], Interval(**found["latency"])
    reached = own["accuracy"]["value"] >= reference["accuracy"]["value"]
    where = "at that accuracy" if reached else "at its most accurate point"
    instead = f"{own['sequential']:,.0f} sequential tokens instead of {reference['sequential']:,.0f}"
    if saved.value >= 0:
        return _card(found["latency"], "%", f"latency saved {where}", instead)
    low, high = (None if end is None else 1 - end for end in (saved.high, saved.low))
    figure, _, between = Interval(1 - saved.value, low, high).text(1, ".1f").partition(" ")
    return {"figure": f"× {figure}", "between": between.strip("()"), "name": f"the latency {where}",
            "instead": instead, "inside": not saved.sign}  # fmt: skip


def _points(value: dict[str, Any] | None) -> str:
    if value is None:
        return "–"
    return Interval(**value).text(100)


def _signed(value: dict[str, Any] | None) -> str:
    if value is None:
        return "–"
    return Interval(**value).text(100, "+.2f")


def _named(label: str) -> str:
    return NAMES.get(label, label)


def _minus_signs(text: str) -> str:
    """Return a text with minus signs before its numbers below 0; runs made before have hyphens there."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", text)


def _thousands(value: float) -> str:
    return f"{value:,.0f}"
