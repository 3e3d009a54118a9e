"""A run on one page (`report.html`): self-contained, without scripts, whatever candidates say in it escaped."""

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from envdata.atomic import write_text
from graph.folder import RunFolder
from graph.history import History, load
from graph.picture import NAMES, draw


def write_report(folder: RunFolder) -> None:
    """Write the picture and the page from what the folder holds. Raises RunError, GridError."""
    history = load(folder.path)
    draw(history, folder.picture)
    write_text(folder.report, render(history, folder.picture.read_bytes()))


def render(history: History, picture: bytes) -> str:
    """The page as HTML."""
    environment = Environment(loader=PackageLoader("graph"), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"points": _points, "signed": _signed, "named": _named, "thousands": _thousands}
    template = environment.get_template("report.html")
    return template.render(
        history=history,
        settings=history.settings,
        result=history.result,
        rows=figures(history.result) if history.result else [],
        picture=base64.b64encode(picture).decode(),
        selected_source=history.folder.selected.read_text(encoding="utf-8") if history.result else "",
        frontier=history.frontier.to_pylist() if history.frontier is not None else [],
    )


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
