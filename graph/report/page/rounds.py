"""Rounds of a run for its page: candidates with sources and parents, measurements, spending."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from graph.explorers.prompts import split_reasoning
from graph.report.controller_names import controller_name
from graph.report.page.points import knobs
from graph.run.candidates import RoundRecord
from graph.run.explorer_shares import AUTHOR_KEY, read_shares
from graph.run.knowledge import Knowledge, read_knowledge
from graph.run.paths import RunFolder, read_json
from graph.run.record import RunRecord
from graph.run.tables import sent_back
from graph.run.transcript import Transcript
from sandbox.sanitize import printable

_LABEL = re.compile(r"\br\d+-\d+\b")
MAX_REPLY = 20_000
"""Characters of one reply that the page contains, at most; transcripts hold the whole."""

MEASURED = ("monotonicity", "coverage", "contract", "against")
DIGESTED = ("beta", "episodes", "wrong", "kinds", "idle", "spending", "on_pruned", "width", "read", "stops")


def rounds(run: RunRecord, accounting: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one JSON entry for each complete round.

    Args:
        run: The run.
        accounting: Content of `accounting.json`; may be empty.
    """
    parents = _parents(run.rounds)
    return [_legible(_round(run.folder, record, parents, accounting)) for record in run.rounds]


def sources(run: RunRecord) -> dict[str, Any]:
    """Return the distinct `lines` of all sources, and each candidate's source as indices of lines, by label."""
    numbers: dict[str, int] = {}
    by_label = {
        label: [numbers.setdefault(line, len(numbers)) for line in source.split("\n")]
        for record in run.rounds
        for label, source in record.sources.items()
    }
    return {"lines": list(numbers), "sources": by_label}


def trajectory(run: RunRecord, accounting: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the best objective so far, in percent, and the cumulative spending after each round.

    `cost` is in US dollars, and null from the first reply with an unknown price on.

    Args:
        run: The run.
        accounting: Content of `accounting.json`; may be empty.
    """
    entries, so_far = [], None
    cost: float | None = 0.0
    minutes, tokens = _spent(accounting, "round-000", "baselines")
    for record in run.rounds:
        total = accounting.get("rounds", {}).get(f"round-{record.number:03d}", {}).get("total", {})
        minutes += total.get("minutes") or 0.0
        tokens += _tokens(total)
        paid = total.get("cost", 0.0)
        cost = cost + paid if cost is not None and isinstance(paid, int | float) else None
        best = next((each for each in record.candidates if each["label"] == record.best), None)
        if best is not None and best["score"] is not None and (so_far is None or best["score"] > so_far):
            so_far = best["score"]
        entries.append(
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
    return entries


def shares(run: RunRecord) -> list[dict[str, Any]]:
    """Return one JSON entry for each round and explorer, with its gain in percent; none for a single explorer."""
    explorers = run.settings.explorers
    if len(explorers) < 2:
        return []
    read = read_shares(run.folder, explorers, len(run.rounds) + 1)
    return [_legible({**asdict(share), "gain": round(100 * share.gain, 3)}) for share in read]


def _legible(value: Any) -> Any:
    """Return a JSON value with invisible characters removed from its texts, which models wrote; not for sources."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_legible(name): _legible(inner) for name, inner in value.items()}
    return [_legible(inner) for inner in value] if isinstance(value, list | tuple) else value


def _round(
    folder: RunFolder, record: RoundRecord, parents: Mapping[str, Any], accounting: Mapping[str, Any]
) -> dict[str, Any]:
    own = folder.round(record.number)
    lesson = read_json(own.lesson) if own.lesson.exists() else {}
    measures = read_json(own.measures) if own.measures.exists() else {}
    schedules = {proposal["label"]: proposal.get("schedules") or [] for proposal in read_json(own.proposals)}
    return {
        "number": record.number,
        "best": record.best,
        "candidates": [
            {
                **_candidate(each, parents, schedules, measures),
                "name": controller_name(each["label"], record.sources[each["label"]]),
                # Only runs with several explorers note the author.
                "explorer": (each["notes"] or {}).get(AUTHOR_KEY, ""),
            }
            for each in record.candidates
        ],
        "diagnosis": lesson.get("diagnosis", ""),
        "directions": lesson.get("directions", []),
        "measured": lesson.get("measured", ""),
        "failures": lesson.get("failures", ""),
        "knowledge": asdict(read_knowledge(own.knowledge) or Knowledge()),
        "said": _replies(Transcript(own.transcript).events()),
        "sent_back": sent_back(own),
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
        # Runs of earlier versions have neither.
        "role": said.get("role", ""),
        "family": said.get("family", ""),
        "parent": parents[label],
        "knobs": knobs(schedules.get(label, [])),
        "digests": [{name: digest.get(name) for name in DIGESTED} for digest in measured["digests"]]
        if measured
        else [],
        "measured": {name: measured.get(name) for name in MEASURED} if measured else None,
    }


def _parents(records: Sequence[RoundRecord]) -> dict[str, dict[str, str] | None]:
    """Return each candidate's parent: the first earlier candidate its idea names, else the one sharing most lines."""
    before: dict[str, frozenset[str]] = {}
    parents: dict[str, dict[str, str] | None] = {}
    for record in records:
        lines = {label: frozenset(filter(None, source.split("\n"))) for label, source in record.sources.items()}
        for each in record.candidates:
            label = each["label"]
            named = [name for name in _LABEL.findall(str(each["idea"])) if name in before]
            if named:
                parents[label] = {"label": named[0], "how": "named"}
            elif before:
                own = lines[label]
                near = max(before, key=lambda name: len(own & before[name]) / max(1, len(own | before[name])))
                parents[label] = {"label": near, "how": "closest"}
            else:
                parents[label] = None
        before |= lines
    return parents


def _replies(events: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the replies of models in a round, and their thinking if the transcript has it."""
    replies = []
    for event in events:
        if event["event"] != "reply":
            continue
        # The id of a call begins with the node that made it.
        node = str(event.get("id", "")).partition("/")[0]
        thinking, text = (value if isinstance(value := event.get(part), str) else "" for part in ("thinking", "text"))
        split = split_reasoning(text)
        for part, text in (("thinking", thinking), ("thinking", split.thinking), ("text", split.text)):
            if text:
                replies.append({"node": node, "model": str(event.get("model", "")), "part": part,
                             "text": text[:MAX_REPLY]})  # fmt: skip
    return replies


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


def _percent(value: Mapping[str, float | None] | None) -> list[float | None] | None:
    """Return a value and the ends of its interval in percent; the ends are None with one question."""
    if value is None:
        return None
    ends = (value[name] for name in ("value", "low", "high"))
    return [None if end is None else round(100 * end, 2) for end in ends]
