"""Cards of runs for the index: names, scores, spending and curves, from the JSON files of a run alone.

No table is read and no grid, so that a folder of many runs is listed at once.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from envdata.grid_names import short_name
from graph.accounting.totals import read_totals
from graph.analysis.objective import REFERENCE
from graph.report.accuracy_plot import NAMES
from graph.report.controller_names import controller_name, idea_in_a_sentence
from graph.report.finding import called, shipped_doc
from graph.report.ui.runs import Kept, RunState
from graph.run.explorer_shares import AUTHOR_KEY
from graph.run.files import RunError, read_source
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned
from graph.run.transcript import Transcript
from sandbox.sanitize import printable

MAX_IDEA = 160
"""Characters of a candidate's idea, for the search."""


class Cards:
    """The cards of runs, kept until a run has more to show."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: Kept[dict[str, Any]] = Kept()

    def all(self, runs: Mapping[str, RunFolder]) -> list[dict[str, Any]]:
        """Return a card for each run; that of a run with damaged files has the reason as `trouble`."""
        return [self._card(name, run) for name, run in runs.items()]

    def _card(self, name: str, run: RunFolder) -> dict[str, Any]:
        try:
            # A card tells what a run does at present too, so that it is made anew with every change of state.
            return self._kept.get(name, run, lambda state: card_of(run, state), key=lambda state: state)
        except RunError as error:
            return trouble(name, error)


def trouble(name: str, error: RunError) -> dict[str, Any]:
    """Return the card of a run that cannot be read."""
    why = printable(str(error))
    return {"name": name, "version": hashlib.sha256(why.encode()).hexdigest()[:16], "ended": True, "trouble": why}


def card_of(run: RunFolder, state: RunState) -> dict[str, Any]:
    """Return what the index shows of a run, as JSON: scores and accuracies in percent, tokens a question.

    `steps` holds each round's number and the best score so far, `level` the best baseline's score; `curves` holds by
    set the rows (β, tokens, accuracy, low, high) of the leading controller, `own`, and of self-consistency, `sc`;
    `same` holds by set a value that is equal for runs with the same grids, objective and costs. `ideas` holds label,
    name and idea of each candidate.

    Raises:
        RunError: A file is damaged.
    """
    try:
        return asdict(state) | _card(run, state)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{run.path} holds files that no run wrote ({type(error).__name__}: {error})") from error


def _card(run: RunFolder, state: RunState) -> dict[str, Any]:
    pinned = Pinned.load(run.settings)
    settings = pinned.settings
    result: dict[str, Any] | None = read_json(run.result) if state.ended else None
    steps: list[list[float | int | None]] = []
    ideas: list[list[str]] = []
    leader: dict[str, Any] | None = None
    for number in range(1, state.rounds + 1):
        entries = read_json(run.round(number).metrics)
        for each in entries["candidates"]:
            source = run.round(number).source(each["label"])
            name = controller_name(each["label"], read_source(source) if source.exists() else "")
            each["name"] = name
            ideas.append([each["label"], name, idea_in_a_sentence(each["doc"], each["idea"])[:MAX_IDEA]])
            chosen = result is not None and each["label"] == result["selected"]
            ahead = each["label"] == entries["best"] and each["score"] is not None
            if chosen or (result is None and ahead and (leader is None or each["score"] > leader["score"])):
                leader = each
        best = [each["score"] for each in entries["candidates"] if each["label"] == entries["best"]]
        so_far = [value for value in [*best, steps[-1][1] / 100 if steps and steps[-1][1] is not None else None]
                  if value is not None]  # fmt: skip
        steps.append([number, round(100 * max(so_far), 3) if so_far else None])
    total = read_totals(run).get("total", {}) if run.round(0).transcript.exists() or result else {}
    return {
        **_who(run, leader, result),
        "explorer": _author(leader, settings.explorers),
        "objective": settings.objective,
        "date": _date(run),
        "minutes": total.get("minutes"),
        "cost": total.get("cost") if total.get("calls") else None,
        "calls": total.get("calls"),
        "score": _percent((result["heldout" if "heldout" in result else "search"]["scores"][result["selected"]])
                          if result else leader["interval"] if leader else None),
        "set": "held out" if result and "heldout" in result else "search set",
        "steps": steps,
        "level": _level(run),
        "grids": {"search": [short_name(path) for path in settings.grids],
                  "heldout": [short_name(path) for path in settings.heldout]},
        "same": {part: _same(pinned, paths) for part, paths in
                 (("search", settings.grids), ("heldout", settings.heldout))},
        "curves": _curves(leader, result),
        "ideas": ideas,
    }  # fmt: skip


def _who(run: RunFolder, leader: dict[str, Any] | None, result: dict[str, Any] | None) -> dict[str, Any]:
    """Return the leading controller's label, name and idea; empty before there is one."""
    if leader is not None:
        return {"label": leader["label"], "title": leader["name"],
                "idea": idea_in_a_sentence(leader["doc"], leader["idea"])}  # fmt: skip
    if result is None:
        return {"label": "", "title": "", "idea": ""}
    label, source = result["selected"], read_source(run.selected)
    return {
        "label": label,
        "title": controller_name(label, source),
        "idea": idea_in_a_sentence(shipped_doc(source), ""),
    }


def _author(leader: dict[str, Any] | None, explorers: tuple[str, ...]) -> str:
    author = (leader["notes"] or {}).get(AUTHOR_KEY) if leader and len(explorers) > 1 else None
    return called(str(author)) if author else ", ".join(map(called, explorers))


def _level(run: RunFolder) -> dict[str, Any] | None:
    if not run.round(0).metrics.exists():
        return None
    scores = {each["label"]: each["score"] for each in read_json(run.round(0).metrics)["baselines"]
              if each["score"] is not None}  # fmt: skip
    best = max(scores, key=scores.__getitem__, default=None)
    return None if best is None else {"name": NAMES.get(best, best), "score": round(100 * scores[best], 3)}


def _curves(leader: dict[str, Any] | None, result: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    if result is not None:
        return {
            part: {"own": _sweep(result[part]["sweeps"].get(result["selected"])),
                   "sc": _sweep(result[part]["sweeps"].get(REFERENCE))}
            for part in ("search", "heldout") if part in result
        }  # fmt: skip
    # Records of rounds hold no intervals of points, and baselines' no points.
    points = leader["points"] if leader else []
    own = [[beta, round(tokens, 1), round(100 * accuracy, 2), None, None] for beta, accuracy, tokens in points]
    return {"search": {"own": own, "sc": []}}


def _sweep(points: list[dict[str, Any]] | None) -> list[list[float | None]]:
    return [[each["beta"], round(each["tokens"], 1), *(_percent(each["accuracy"]) or [])] for each in points or ()]


def _same(pinned: Pinned, paths: tuple[str, ...]) -> str:
    settings = pinned.settings
    said = [sorted(pinned.grid_hashes[path] for path in paths), settings.objective, settings.probe_cost,
            settings.prefill_weight, settings.latency, settings.budget, settings.max_branches]  # fmt: skip
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16] if paths else ""


def _date(run: RunFolder) -> str | None:
    """Return the time at which the run began, ISO 8601; None if it is not known."""
    events = Transcript(run.round(0).transcript).events()
    began = events[0].get("at") if events else None
    return began if isinstance(began, str) else None


def _percent(value: Mapping[str, float | None] | None) -> list[float | None] | None:
    if value is None:
        return None
    return [None if value[end] is None else round(100 * float(value[end] or 0), 2) for end in ("value", "low", "high")]
