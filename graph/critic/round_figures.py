"""The measured part of what is known: all rounds in figures, bounded, without any model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from envdata.intervals import Interval
from graph.critic.measurements import points
from sandbox.sanitize import in_quotes

MAX_ROUNDS = 20
"""Rounds that have a line of their own: the latest."""
MAX_BEST, MAX_BEHIND = 5, 8
"""Candidates that are listed."""
MAX_IDEA = 160
"""Characters of a candidate's docstring or idea."""


def round_figures(rounds: Sequence[Mapping[str, Any]]) -> str:
    """Return the rounds so far in figures, as Markdown.

    Args:
        rounds: Contents of `metrics.json` of all rounds, in order.
    """
    return "\n".join(_lines(rounds))


def _lines(rounds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "By round, with 95 % intervals over questions:"
    yield ""
    if len(rounds) > MAX_ROUNDS:
        yield f"- rounds 1 to {len(rounds) - MAX_ROUNDS}: left out here"
    yield from map(_round, rounds[-MAX_ROUNDS:])
    candidates = [each for entry in rounds for each in entry["candidates"]]
    # A duplicate has the figures of what it acts as.
    scored = [each for each in candidates if each["score"] is not None and each["same_as"] is None]
    scored.sort(key=lambda each: -each["score"])
    if scored:
        yield ""
        yield "The best candidates:"
        yield ""
        yield from map(_candidate, scored[:MAX_BEST])
    behind = [each for each in scored if _is_below(each["over_baseline"])]
    if behind:
        yield ""
        yield "Behind the best baseline, by more than chance:"
        yield ""
        yield from map(_candidate, behind[-MAX_BEHIND:])


def _round(entry: Mapping[str, Any]) -> str:
    candidates, best = entry["candidates"], entry["best"]
    failed = sum(each["status"] != "ok" for each in candidates)
    same = sum(each["same_as"] is not None for each in candidates)
    counts = f"{len(candidates)} candidates, {failed} failed, {same} duplicates"
    if best is None:
        return f"- round {entry['round']}: {counts}; none was sound"
    own = next(each for each in candidates if each["label"] == best)
    gain = "gain of the frontier " + _interval(own["gain"], signed=True)
    if not _is_above(own["gain"]):
        gain += ", which may be chance"
    return f"- round {entry['round']}: {counts}; best {best} {_interval(own['interval'])}, {gain}"


def _candidate(entry: Mapping[str, Any]) -> str:
    said = (entry["doc"] or entry["idea"] or "").strip()
    # The first line of a docstring is its idea.
    idea = f": {in_quotes(said.splitlines()[0], MAX_IDEA)}" if said else ""
    return (
        f"- {entry['label']}: {_interval(entry['interval'])}, against the best baseline "
        f"{_interval(entry['over_baseline'], signed=True)}{idea}"
    )


def _interval(value: Mapping[str, Any] | None, *, signed: bool = False) -> str:
    return "–" if value is None else points(Interval(**value), signed=signed)


def _is_above(value: Mapping[str, Any] | None) -> bool:
    return value is not None and value["low"] is not None and value["low"] > 0


def _is_below(value: Mapping[str, Any] | None) -> bool:
    return value is not None and value["high"] is not None and value["high"] < 0
