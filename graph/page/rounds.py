"""The rounds of a run for its page: candidates with their sources and parents, what was measured, what it cost."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from graph.folder import RunFolder, read_json
from graph.history import History, RoundRecord
from graph.journal import Journal
from graph.page.points import knobs

_LABEL = re.compile(r"\br\d+-\d+\b")
MAX_SAID = 20_000
"""Characters of one reply that the page carries; transcripts hold the whole."""

MEASURED = ("monotonicity", "coverage", "contract", "against")
DIGESTED = ("beta", "episodes", "wrong", "kinds", "idle", "spending", "on_pruned", "width", "read", "stops")


def rounds(history: History, accounting: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry a complete round, in order."""
    parents = _parents(history.rounds)
    return [_round(history.folder, record, parents, accounting) for record in history.rounds]


def sources(history: History) -> dict[str, Any]:
    """Every candidate's source as numbers of lines, by label, and the lines: candidates share most of them."""
    numbers: dict[str, int] = {}
    by_label = {
        label: [numbers.setdefault(line, len(numbers)) for line in source.split("\n")]
        for record in history.rounds
        for label, source in record.sources.items()
    }
    return {"lines": list(numbers), "sources": by_label}


def trajectory(history: History, accounting: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How far the search was after each round: the best objective so far, in percent, and what was spent until then.

    `cost` is in US dollars and null once any reply's price is unknown; `minutes` and `tokens` add up likewise.
    """
    found, so_far = [], None
    cost: float | None = 0.0
    minutes, tokens = _spent(accounting, "round-000", "baselines")
    for record in history.rounds:
        total = accounting.get("rounds", {}).get(f"round-{record.number:03d}", {}).get("total", {})
        minutes += total.get("minutes") or 0.0
        tokens += _tokens(total)
        paid = total.get("cost", 0.0)
        cost = cost + paid if cost is not None and isinstance(paid, int | float) else None
        best = next((each for each in record.candidates if each["label"] == record.best), None)
        if best is not None and best["score"] is not None and (so_far is None or best["score"] > so_far):
            so_far = best["score"]
        found.append(
            {
                "round": record.number,
                "best": record.best,
                "interval": _percent(best["interval"]) if best else None,
                "so_far": None if so_far is None else round(100 * so_far, 3),
                "gain": _percent(best["gain"]) if best else None,
                "cost": None if cost is None else round(cost, 4),
                "minutes": round(minutes, 3),
                "tokens": tokens,
            }
        )
    return found


def _round(
    folder: RunFolder, record: RoundRecord, parents: Mapping[str, Any], accounting: Mapping[str, Any]
) -> dict[str, Any]:
    own = folder.round(record.number)
    lesson = read_json(own.lesson) if own.lesson.exists() else {}
    measures = read_json(own.measures) if own.measures.exists() else {}
    schedules = {said["label"]: said.get("schedules") or [] for said in read_json(own.proposals)}
    return {
        "number": record.number,
        "best": record.best,
        "candidates": [_candidate(each, parents, schedules, measures) for each in record.candidates],
        "diagnosis": lesson.get("diagnosis", ""),
        "directions": lesson.get("directions", []),
        "measured": lesson.get("measured", ""),
        "failures": lesson.get("failures", ""),
        "said": _said(Journal(own.transcript).events()),
        "spent": _account(accounting.get("rounds", {}).get(own.path.name, {})),
    }


def _candidate(
    said: Mapping[str, Any], parents: Mapping[str, Any], schedules: Mapping[str, Any], measures: Mapping[str, Any]
) -> dict[str, Any]:
    label = said["label"]
    measured = measures.get(label)
    return {
        "label": label,
        "status": said["status"],
        "why": said["why"],
        "idea": said["idea"],
        "doc": said["doc"],
        "notes": said["notes"],
        "screening": None if said["screening"] is None else round(100 * said["screening"], 2),
        "interval": _percent(said["interval"]),
        "over_baseline": _percent(said["over_baseline"]),
        "gain": _percent(said["gain"]),
        "same_as": said["same_as"],
        "parent": parents[label],
        "knobs": knobs(schedules.get(label, [])),
        "digests": [{name: digest.get(name) for name in DIGESTED} for digest in measured["digests"]]
        if measured
        else [],
        "measured": {name: measured.get(name) for name in MEASURED} if measured else None,
    }


def _parents(records: Sequence[RoundRecord]) -> dict[str, dict[str, str] | None]:
    """Whose child each candidate is: whom it names, or else the earlier candidate that shares most of its lines."""
    before: dict[str, frozenset[str]] = {}
    found: dict[str, dict[str, str] | None] = {}
    for record in records:
        lines = {label: frozenset(filter(None, source.split("\n"))) for label, source in record.sources.items()}
        for each in record.candidates:
            label = each["label"]
            named = [name for name in _LABEL.findall(str(each["idea"])) if name in before]
            if named:
                found[label] = {"label": named[0], "how": "named"}
            elif before:
                own = lines[label]
                near = max(before, key=lambda name: len(own & before[name]) / max(1, len(own | before[name])))
                found[label] = {"label": near, "how": "closest"}
            else:
                found[label] = None
        before |= lines
    return found


def _said(events: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What models replied in a round, with their thinking where the transcript has it."""
    said = []
    for event in events:
        if event["event"] != "reply":
            continue
        for part in ("thinking", "text"):
            text = event.get(part)
            if isinstance(text, str) and text:
                said.append({"node": str(event.get("node", "")), "model": str(event.get("model", "")), "part": part,
                             "text": text[:MAX_SAID]})  # fmt: skip
    return said


def _account(entry: Mapping[str, Any]) -> dict[str, Any]:
    total = entry.get("total", {})
    nodes = {name: each.get("minutes") for name, each in entry.get("nodes", {}).items()}
    return {"minutes": total.get("minutes"), "cost": total.get("cost"), "tokens": _tokens(total),
            "calls": total.get("calls"), "episodes": total.get("episodes"), "nodes": nodes}  # fmt: skip


def _spent(accounting: Mapping[str, Any], folder: str, node: str) -> tuple[float, int]:
    entry = accounting.get("rounds", {}).get(folder, {}).get("nodes", {}).get(node, {})
    return entry.get("minutes") or 0.0, _tokens(entry)


def _tokens(entry: Mapping[str, Any]) -> int:
    tokens = entry.get("tokens", {})
    return int(tokens.get("input", 0)) + int(tokens.get("output", 0))


def _percent(value: Mapping[str, float] | None) -> list[float] | None:
    return None if value is None else [round(100 * value[name], 2) for name in ("value", "low", "high")]
