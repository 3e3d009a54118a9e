"""Data of the page of a run: one value of plain JSON, made from the files of its folder."""

import importlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from envdata.grid import GridError
from envdata.grid_names import short_name
from graph.accounting.totals import read_totals
from graph.analysis.curves import COLUMNS, Curve, Questions
from graph.analysis.traces.endings import ENDINGS
from graph.analysis.traces.failure_digest import FAILURE_KINDS
from graph.report.accuracy_plot import NAMES, shown_range
from graph.report.controller_names import controller_name
from graph.report.finding import headline_figures, leading_curve
from graph.report.page.differences import differences
from graph.report.page.embedding import packed
from graph.report.page.points import FIELDS, by_question, knobs, points
from graph.report.page.rounds import rounds, shares, sources, trajectory
from graph.report.page.stored_traces import SearchGrids, grid_view, kept_in_sample, sampled, traces_of
from graph.run.files import RunError, read_table
from graph.run.paths import read_json
from graph.run.record import RunRecord
from graph.run.roles import ROLES
from sandbox.evaluate import Progress
from sandbox.inside.controller_runner import NativeCandidate


def page_data(run: RunRecord, progress: Progress | None = None) -> dict[str, Any]:
    """Return the data of the page's scripts as plain JSON.

    Accuracies are percentages, tokens are means a question. `packed` holds compressed data that is needed on demand:
    all sources, each grid's view, and each controller's traced episodes and figures by question. Without the run's
    grids there are no views and no episodes, and `absent` says why. `progress` is called after each round.

    Raises:
        GridError: The run recorded no questions, and a grid cannot be read.
        RunError: A file is damaged.
    """
    settings = run.settings
    accounting = read_totals(run.folder)
    search = run.search_questions()
    grids, absent = _search_grids(run)
    controllers: list[dict[str, Any]] = []
    curves: dict[str, Any] = {}
    plays: dict[str, str] = {}
    kept = kept_in_sample(run)
    for number in range(len(run.rounds) + 1):
        _add_round(run, number, search, grids, kept, controllers, curves, plays)
        if progress is not None:
            progress(number + 1, len(run.rounds) + 1)
    _add_heldout(run, curves)
    baseline, leader = _best_baseline(run), leading_curve(run)
    return {
        "name": run.folder.path.resolve().name,
        "rounds_planned": settings.rounds,
        "betas": list(settings.betas),
        "repeats": settings.repeats,
        "range": list(shown_range(run)),
        "objective": settings.objective,
        "fields": list(FIELDS),
        "grids": {"search": _names(settings.grids, search), "heldout": [short_name(path) for path in settings.heldout]},
        "controllers": controllers,
        "curves": curves,
        "against": headline_figures(run),
        "differences": differences(run, baseline["label"] if baseline else None),
        "leader": leader.label if leader else None,
        "baseline": baseline,
        "selected": run.result["selected"] if run.result else None,
        "trajectory": trajectory(run, accounting),
        "shares": shares(run),
        "rounds": rounds(run, accounting),
        "kinds": FAILURE_KINDS,
        "ends": ENDINGS,
        "roles": ROLES,
        "absent": absent,
        "packed": {
            "sources": packed(sources(run)),
            "grids": [packed(grid_view(grid, settings)) for grid in grids.grids] if grids else [],
            "plays": plays,
        },
    }


def _search_grids(run: RunRecord) -> tuple[SearchGrids | None, str | None]:
    """Return the search grids of a run, or the reason why episodes cannot be shown."""
    try:
        return SearchGrids.of(run.pinned), None
    except (GridError, RunError) as error:
        return None, f"Episodes are not shown, for the run's grids are not here: {error}."


def _add_round(
    run: RunRecord,
    number: int,
    search: Questions,
    grids: SearchGrids | None,
    kept: frozenset[str],
    controllers: list[dict[str, Any]],
    curves: dict[str, Any],
    plays: dict[str, str],
) -> None:
    """Add the controllers of a round that were evaluated in full without failures; round 0 holds the baselines."""
    folder = run.folder.round(number)
    episodes = read_table(folder.evaluation, COLUMNS)
    labels = pc.unique(episodes.column("controller").cast(pa.string())).to_pylist()
    traces = traces_of(folder) if grids and kept & set(labels) else None
    best = run.rounds[number - 1].best if number else None
    selected = run.result["selected"] if run.result else None
    proposals = {each["label"]: each for each in read_json(folder.proposals)} if number else {}
    sources_of_round = run.rounds[number - 1].sources if number else {}
    for label in labels:
        curve = Curve.from_episodes(episodes, label, run.settings.grids)
        if curve.failures:
            continue
        curves[label] = {"search": points(curve, search)}
        sample = sampled(traces, label, grids) if traces is not None and grids and label in kept else []
        plays[label] = packed({"sample": sample, "betas": list(curve.betas), "questions": by_question(curve)})
        schedules = proposals[label]["schedules"] if number else _shipped_schedules(label, run.settings.betas)
        controllers.append(
            {
                "label": label,
                "name": controller_name(label, sources_of_round.get(label, "")),
                "round": number,
                "best": label == best,
                "selected": label == selected,
                "betas": list(curve.betas),
                "traced": sorted({entry["beta"] for entry in sample}, key=lambda beta: -1 if beta is None else beta),
                "knobs": knobs(schedules),
            }
        )


def _add_heldout(run: RunRecord, curves: dict[str, Any]) -> None:
    if not (run.result and run.settings.heldout and run.folder.heldout.exists()):
        return
    questions = run.heldout_questions()
    for label, curve in run.heldout().items():
        curves.setdefault(label, {})["heldout"] = points(curve, questions)


def _shipped_schedules(name: str, betas: tuple[float, ...]) -> list[Mapping[str, float]]:
    """Return the schedules of a shipped controller; as the project's own code, it runs outside a sandbox."""
    module = importlib.import_module(f"sandbox.controllers.{name}")
    controller = NativeCandidate(module).controller
    return [controller.schedule(beta) for beta in betas]


def _best_baseline(run: RunRecord) -> dict[str, Any] | None:
    scores = {
        entry["label"]: entry["score"]
        for entry in read_json(run.folder.round(0).metrics)["baselines"]
        if entry["score"] is not None and entry["label"] in run.settings.baselines
    }
    best = max(scores, key=scores.__getitem__, default=None)
    return None if best is None else {"label": best, "name": NAMES.get(best, best), "score": 100 * scores[best]}


def _names(paths: tuple[str, ...], questions: Questions) -> list[dict[str, Any]]:
    return [{"name": short_name(path), "questions": len(ids)} for path, ids in zip(paths, questions.ids, strict=True)]
