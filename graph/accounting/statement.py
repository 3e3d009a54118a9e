"""What a run spent, per node and round (`accounting.json`), made from its transcripts.

Besides the transcripts, the only files of a run that hold times, with the page that shows them: they differ between
runs that end alike.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from graph.accounting.ledger import Event, gaps, unanswered
from graph.accounting.usage import Usage
from graph.folder import RunFolder, write_json
from graph.journal import Journal

UNKNOWN = "unknown"
PAPER_COST, PAPER_MINUTES = 39.9, 160
"""What the paper's discovery took, in US dollars and minutes."""


def write_statements(folder: RunFolder) -> dict[str, Any]:
    """Bring every round's file and the run's up to date; returns the run's, as `account` does."""
    said = account(Journal(folder.round(0).transcript).of_all_rounds())
    for name, one in said["rounds"].items():
        write_json(folder.path / name / "accounting.json", one)
    write_json(folder.accounting, said)
    return said


def account(events: Iterable[Event]) -> dict[str, Any]:
    """The whole run under `total`; under `rounds` each round's `total` and `nodes`, by folder and by name.

    Each entry: `calls` sent, `replies`, `failed`, `possibly_billed` (calls without a reply that may be billed all the
    same), `tokens` as in `Usage`, `cost` in US dollars (`unknown` if any reply's is), `possible_cost` (what those
    calls may have cost at most besides), `minutes` and `episodes`.
    """
    known = list(events)
    places = _places(known)
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for place, event in zip(places, known, strict=True):
        if event["event"] in ("node", "done", "call", "reply", "failed"):
            _count(entries.setdefault(place, _empty()), event)
    for place, seconds in gaps(known):
        if place[1]:
            entries.setdefault(place, _empty())["seconds"] += seconds
    for call in unanswered(known):
        entry = entries.setdefault(places[known.index(call)], _empty())
        entry["possibly_billed"] += 1
        cost = call["worst"]["cost"]
        entry["possible"] = None if cost is None or entry["possible"] is None else entry["possible"] + cost
    rounds: dict[str, Any] = {}
    for name in sorted({name for name, _ in entries}):
        nodes = {node: entry for (of, node), entry in entries.items() if of == name}
        rounds[name] = {
            "total": _written(_sum(nodes.values())),
            "nodes": {node: _written(entry) for node, entry in nodes.items()},
        }
    return {"total": _written(_sum(entries.values())), "rounds": rounds}


def _places(events: list[Event]) -> list[tuple[str, str]]:
    """The round's folder and the node at work, for each event."""
    places = []
    node = ""
    for event in events:
        node = event["node"] if event["event"] in ("node", "done") else node
        places.append((event["of"], node))
    return places


def _empty() -> dict[str, Any]:
    return {
        "calls": 0, "replies": 0, "failed": 0, "possibly_billed": 0, "usage": Usage(), "cost": 0.0, "possible": 0.0,
        "seconds": 0.0, "episodes": 0,
    }  # fmt: skip


def _count(entry: dict[str, Any], event: Event) -> None:
    match event["event"]:
        case "call":
            entry["calls"] += 1
        case "failed":
            entry["failed"] += 1
        case "reply":
            entry["replies"] += 1
            entry["usage"] += Usage.read(event["usage"])
            entry["cost"] = None if entry["cost"] is None or event["cost"] is None else entry["cost"] + event["cost"]
        case "done":
            entry["episodes"] += event["episodes"]


def _sum(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    total = _empty()
    for entry in entries:
        for name, value in entry.items():
            total[name] = None if value is None or total[name] is None else total[name] + value
    return total


def _written(entry: Mapping[str, Any]) -> dict[str, Any]:
    usage: Usage = entry["usage"]
    return {
        "calls": entry["calls"],
        "replies": entry["replies"],
        "failed": entry["failed"],
        "possibly_billed": entry["possibly_billed"],
        "tokens": dict(vars(usage)),
        "cost": UNKNOWN if entry["cost"] is None else round(entry["cost"], 6),
        "possible_cost": UNKNOWN if entry["possible"] is None else round(entry["possible"], 6),
        "minutes": round(entry["seconds"] / 60, 3),
        "episodes": entry["episodes"],
    }
