"""All that the page of a run shows, as one value of plain JSON, made from the files of its folder."""

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graph.context import questions_of
from graph.critic.digest import KINDS
from graph.critic.endings import ENDS
from graph.curves import Curve, Questions
from graph.folder import read_json
from graph.history import History
from graph.page.packing import packed
from graph.page.points import FIELDS, by_question, knobs, points
from graph.page.rounds import rounds, sources, trajectory
from graph.page.sample import Stages, kept_in_sample, sampled, stage_of, traces_of
from graph.picture import NAMES
from sandbox.candidate import SHIPPED
from sandbox.tts import Controller


def page_data(history: History) -> dict[str, Any]:
    """What the page's scripts are given. Raises GridError if a search grid has gone, or a held-out one.

    Percentages throughout, tokens a question. `packed` holds what is looked at now and then: all sources, each grid's
    stage, and each controller's traced episodes and figures by question.
    """
    settings = history.settings
    accounting = read_json(history.folder.accounting) if history.folder.accounting.exists() else {}
    search = questions_of(settings.grids)
    stages = Stages.of(settings)
    controllers: list[dict[str, Any]] = []
    curves: dict[str, Any] = {}
    plays: dict[str, str] = {}
    kept = kept_in_sample(history)
    for number in range(len(history.rounds) + 1):
        _add_round(history, number, search, stages, kept, controllers, curves, plays)
    _add_heldout(history, curves)
    return {
        "name": history.folder.path.resolve().name,
        "rounds_planned": settings.rounds,
        "betas": list(settings.betas),
        "repeats": settings.repeats,
        "range": [history.low, history.high],
        "objective": settings.objective,
        "fields": list(FIELDS),
        "grids": {"search": _names(settings.grids, search), "heldout": [Path(path).stem for path in settings.heldout]},
        "controllers": controllers,
        "curves": curves,
        "baseline": _best_baseline(history),
        "selected": history.result["selected"] if history.result else None,
        "trajectory": trajectory(history, accounting),
        "rounds": rounds(history, accounting),
        "total": _total(accounting),
        "kinds": KINDS,
        "ends": ENDS,
        "packed": {
            "sources": packed(sources(history)),
            "grids": [packed(stage_of(grid, settings)) for grid in stages.grids],
            "plays": plays,
        },
    }


def _add_round(
    history: History,
    number: int,
    search: Questions,
    stages: Stages,
    kept: frozenset[str],
    controllers: list[dict[str, Any]],
    curves: dict[str, Any],
    plays: dict[str, str],
) -> None:
    """The controllers of a round that were evaluated in full; round 0 is that of the baselines."""
    folder = history.folder.round(number)
    episodes = pq.read_table(folder.evaluation)
    labels = pc.unique(episodes.column("controller").cast(pa.string())).to_pylist()
    traces = traces_of(folder) if kept & set(labels) else None
    best = history.rounds[number - 1].best if number else None
    selected = history.result["selected"] if history.result else None
    said = {each["label"]: each for each in read_json(folder.proposals)} if number else {}
    for label in labels:
        curve = Curve.from_episodes(episodes, label, history.settings.grids)
        if curve.failures:
            continue
        curves[label] = {"search": points(curve, episodes, search)}
        sample = sampled(traces, label, stages) if traces is not None and label in kept else []
        plays[label] = packed({"sample": sample, "betas": list(curve.betas), "questions": by_question(curve)})
        schedules = said[label]["schedules"] if number else _shipped_schedules(label, history.settings.betas)
        controllers.append(
            {
                "label": label,
                "name": NAMES.get(label, label),
                "round": number,
                "best": label == best,
                "selected": label == selected,
                "betas": list(curve.betas),
                "traced": sorted({entry["beta"] for entry in sample}, key=lambda beta: -1 if beta is None else beta),
                "knobs": knobs(schedules),
            }
        )


def _add_heldout(history: History, curves: dict[str, Any]) -> None:
    if not (history.result and history.settings.heldout and history.folder.heldout.exists()):
        return
    episodes = pq.read_table(history.folder.heldout)
    questions = questions_of(history.settings.heldout)
    for label, curve in history.heldout().items():
        curves.setdefault(label, {})["heldout"] = points(curve, episodes, questions)


def _shipped_schedules(name: str, betas: tuple[float, ...]) -> list[Mapping[str, float]]:
    """The schedules of a shipped controller: the project's own code, which runs here."""
    module = importlib.import_module(f"sandbox.controllers.{name}")
    controller = next(
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if each.__module__ == module.__name__ and issubclass(each, Controller)
    )
    return [controller.schedule(beta) for beta in betas]


def _best_baseline(history: History) -> dict[str, Any] | None:
    scores = {
        entry["label"]: entry["score"]
        for entry in read_json(history.folder.round(0).metrics)["baselines"]
        if entry["score"] is not None and entry["label"] in SHIPPED
    }
    best = max(scores, key=scores.__getitem__, default=None)
    return None if best is None else {"label": best, "name": NAMES.get(best, best), "score": 100 * scores[best]}


def _names(paths: tuple[str, ...], questions: Questions) -> list[dict[str, Any]]:
    return [
        {"name": Path(path).stem, "questions": len(texts)} for path, texts in zip(paths, questions.texts, strict=True)
    ]


def _total(accounting: Mapping[str, Any]) -> dict[str, Any]:
    total = accounting.get("total", {})
    return {name: total.get(name) for name in ("minutes", "cost", "calls", "episodes")}
