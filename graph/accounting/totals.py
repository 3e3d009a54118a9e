"""Totals of a run's spending per node and round (`accounting.json`), made from its transcripts.

Besides the transcripts and the page, these are the only files of a run that hold times, so they differ between runs
with equal results.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from graph.accounting.ledger import Event, gaps, unanswered
from graph.accounting.usage import Usage
from graph.run.paths import RunFolder, read_json, write_json
from graph.run.transcript import Transcript

UNKNOWN = "unknown"
CALLING_NODES = ("proposer", "critic", "historian")
"""Nodes that may call models, each of which may be another one."""
PAPER_COST, PAPER_MINUTES = 39.9, 160
"""US dollars and minutes of the paper's discovery run, on AIME24 with Qwen3 models."""


def write_totals(folder: RunFolder) -> dict[str, Any]:
    """Write `accounting.json` of the run and of every round; return the run's, as `compute_totals` does."""
    totals = compute_totals(Transcript(folder.round(0).transcript).of_all_rounds())
    for name, own in totals["rounds"].items():
        write_json(folder.path / name / "accounting.json", own)
    write_json(folder.accounting, totals)
    return totals


def read_totals(folder: RunFolder) -> dict[str, Any]:
    """Return the spending of a run, as `compute_totals` does; empty if it is not known.

    That of a complete run is in `accounting.json`. Another one may have been killed after its last node: its
    transcripts are read.
    """
    if not folder.result.exists():
        # The transcripts may be another's, with events that no run records.
        with suppress(ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return compute_totals(Transcript(folder.round(0).transcript).of_all_rounds())
    return dict(read_json(folder.accounting)) if folder.accounting.exists() else {}


def compute_totals(events: Iterable[Event]) -> dict[str, Any]:
    """Return the spending in the events of a run as JSON.

    `total` holds the whole run, `rounds` each round's `total` and `nodes`, by folder and by name. Each entry has:
    `calls` sent, `replies`, `estimated` (replies whose usage is an estimate), `failed`, `possibly_billed` (calls
    without a reply that may be billed all the same), `tokens` as in `Usage`, `cost` in US dollars (`unknown` if any
    reply's is), `possible_cost` (worst case of the `possibly_billed` calls), `minutes` and `episodes`. `roles` holds
    the same for each node that called models, over all rounds, and `explorers` the calls of each of several explorers,
    by its specification.
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
            "total": _as_json(_sum(nodes.values())),
            "nodes": {node: _as_json(entry) for node, entry in nodes.items()},
        }
    roles = {node: _sum(entry for (_, name), entry in entries.items() if name == node) for node in CALLING_NODES}
    return {
        "total": _as_json(_sum(entries.values())),
        "rounds": rounds,
        "roles": {node: _as_json(entry) for node, entry in roles.items() if entry["calls"]},
        "explorers": _by_explorer(known),
    }


def _by_explorer(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """Return the calls of each explorer whose name their events have: those of runs with several explorers."""
    entries: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] in ("call", "reply", "failed") and "explorer" in event:
            _count(entries.setdefault(event["explorer"], _empty()), event)
    kept = ("calls", "replies", "failed", "tokens", "cost")
    return {name: {each: _as_json(entry)[each] for each in kept} for name, entry in entries.items()}


def _places(events: list[Event]) -> list[tuple[str, str]]:
    """Return the round's folder and the running node of each event."""
    places = []
    node = ""
    for event in events:
        node = event["node"] if event["event"] in ("node", "done") else node
        places.append((event["of"], node))
    return places


def _empty() -> dict[str, Any]:
    return {
        "calls": 0, "replies": 0, "estimated": 0, "failed": 0, "possibly_billed": 0, "usage": Usage(), "cost": 0.0,
        "possible": 0.0, "seconds": 0.0, "episodes": 0,
    }  # fmt: skip


def _count(entry: dict[str, Any], event: Event) -> None:
    match event["event"]:
        case "call":
            entry["calls"] += 1
        case "failed":
            entry["failed"] += 1
        case "reply":
            entry["replies"] += 1
            entry["estimated"] += bool(event.get("estimated"))
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


def _as_json(entry: Mapping[str, Any]) -> dict[str, Any]:
    usage: Usage = entry["usage"]
    return {
        "calls": entry["calls"],
        "replies": entry["replies"],
        "estimated": entry["estimated"],
        "failed": entry["failed"],
        "possibly_billed": entry["possibly_billed"],
        "tokens": dict(vars(usage)),
        "cost": UNKNOWN if entry["cost"] is None else round(entry["cost"], 6),
        "possible_cost": UNKNOWN if entry["possible"] is None else round(entry["possible"], 6),
        "minutes": round(entry["seconds"] / 60, 3),
        "episodes": entry["episodes"],
    }
