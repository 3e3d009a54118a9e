"""Finale node: selects a controller, and evaluates it once on the held-out grids."""

from dataclasses import asdict
from typing import Any

import pyarrow as pa

from envdata.atomic import write_text
from envdata.grid import Grid
from graph.analysis.curves import Curve, Questions, questions_of
from graph.analysis.headline import headline
from graph.analysis.objective import REFERENCE, ObjectiveError, Scorer, reference_curve
from graph.analysis.selection import Contender, Selection, select
from graph.loop.context import Context, State
from graph.loop.nodes.executor import betas_of
from graph.report.controller_names import name_and_label
from graph.run.candidates import curves_of, source_of
from graph.run.files import read_source, read_table
from graph.run.paths import read_json, write_json
from sandbox.candidate import Candidate, shipped
from sandbox.evaluate import Plan
from sandbox.evaluation_cache import baselines_cache
from sandbox.results import write_table


def conclude(context: Context, state: State) -> State:
    """Select a controller, evaluate it and the baselines on the held-out grids, and write `result.json`."""
    label, number, selection = choose(context, state["round"])
    source = (
        shipped(label).read_text(encoding="utf-8") if number == 0 else source_of(context.folder.round(number), label)
    )
    write_text(context.folder.selected, source)
    if context.settings.heldout:
        _play_heldout(context, label, number, source)
    write_json(context.folder.result, result(context, label, number, state, selection))
    return {"selected": label, "controller": str(context.folder.selected)}


def choose(context: Context, before: int) -> tuple[str, int, Selection | None]:
    """Return the selected controller, its round, and how it was selected among the candidates.

    It is a baseline, of round 0, if no candidate before round `before` scores better than all baselines.
    """
    scores = context.baseline_scores
    best = max(scores, key=scores.__getitem__)
    records = [record for record in context.history(before) if record.score is not None]
    if max((record.score or 0.0 for record in records), default=scores[best]) <= scores[best]:
        return best, 0, None
    rounds = {record.label: record.round for record in records}
    curves = {curve.label: curve for curve in context.admissible(before)}
    proposals = [each for number in set(rounds.values()) for each in read_json(context.folder.round(number).proposals)]
    knobs = {each["label"]: len(each["schedules"][0]) for each in proposals if each["schedules"]}
    selection = select(
        [
            Contender(record.label, curves[record.label], knobs[record.label], len(record.source.encode()))
            for record in records
        ],
        context.scorer,
    )
    return selection.label, rounds[selection.label], selection


def result(
    context: Context, label: str, number: int, state: State, selection: Selection | None = None
) -> dict[str, Any]:
    """Return the content of `result.json`: the selection, and scores with intervals on the search and held-out sets.

    Args:
        context: The run.
        label: Selected controller.
        number: Its round, 0 for a baseline.
        state: State at the end of the search.
        selection: How it was selected; None for a baseline.
    """
    settings, scorer = context.settings, context.scorer
    search = {name: curve for name, curve in context.baselines.items() if not curve.failures}
    best_baseline = max(context.baseline_scores, key=context.baseline_scores.__getitem__)
    first = {each.label: each.score for each in context.history(min(2, state["round"])) if each.score is not None}
    first_best = max(first, key=first.__getitem__) if first else None
    wanted = {number: [label], 1: [first_best] if first_best else []}
    if number == 1:
        wanted[1] = list(dict.fromkeys([label, *wanted[1]]))
    for each, labels in wanted.items():
        if each:
            search |= curves_of(context.folder.round(each), labels, settings.grids)
    values: dict[str, Any] = {
        "selected": label,
        "name": _name(context, label),
        "round": number,
        "rounds": state["round"] - 1,
        "stopped": state.get("stopped"),
        "incumbent": number == 0,
        **_caveats(context, label, number),
        "best_baseline": best_baseline,
        "round_1_best": first_best,
        "objective": settings.objective,
        "range": [scorer.low, scorer.high],
        **({"latency": scorer.latency} if scorer.latency else {}),
        "replays": _replays(context, state["round"]),
        "selection": None if selection is None else asdict(selection),
        "search": _figures(scorer, search, label, best_baseline, first_best),
    }
    if settings.heldout:
        episodes = read_table(context.folder.heldout)
        names = list(dict.fromkeys([*settings.baselines, label]))
        heldout = {name: Curve.from_episodes(episodes, name, settings.heldout) for name in names}
        try:
            reference = reference_curve(context.objective, episodes, settings.heldout)
        except ObjectiveError as error:
            context.observer.say(f"on the held-out set nothing can be scored: {error}")
            reference = None
        # The range of the search set: the held-out set must not influence how it is scored.
        questions = questions_of(settings.heldout)
        other = Scorer(context.objective, scorer.low, scorer.high, questions, reference, settings.latency)
        values["heldout"] = _figures(other, heldout, label, best_baseline, None)
        values["headline"] = _headline(context, "Held out", heldout, episodes, questions, label)
    else:
        played, part = read_table(context.folder.round(0).evaluation), "On the search set, where it was chosen"
        values["headline"] = _headline(context, part, search, played, context.questions, label)
    return values


def _headline(
    context: Context, part: str, curves: dict[str, Curve], episodes: pa.Table, questions: Questions, label: str
) -> dict[str, Any] | None:
    """Return the headline (`graph.analysis.headline`); None without self-consistency or if the selected one failed."""
    settings = context.settings
    reference = Curve.sound_part(episodes, REFERENCE, questions.grids) if REFERENCE in settings.baselines else None
    if reference is None or curves[label].failures:
        return None
    sound = {name: curve for name, curve in curves.items() if not curve.failures}
    terms = settings.evaluation().terms.on(map(Grid.load, questions.grids))
    name = _name(context, label)
    return headline(sound, label, reference, questions, part=part, terms=terms, name=name)


def _name(context: Context, label: str) -> str:
    """Return the selected controller's name with its label."""
    return name_and_label(label, read_source(context.folder.selected))


def _caveats(context: Context, label: str, number: int) -> dict[str, Any]:
    """Return what the result has to state beside the selected candidate's scores.

    Its duplicate and the invariances it breaks, neither of which excludes a candidate from selection; and
    `research_data` if the explorer studied the search set.
    """
    contract = read_json(context.folder.round(number).measures)[label]["contract"] if number else {}
    changes = contract.get("invariance") or {}
    alone = [name for name in ("by_itself", "renamed", "reordered") if changes.get(name)]
    together = ["together"] if changes.get("together") else []
    studied = {"research_data": True} if context.settings.research_data else {}
    return {"same_as": contract.get("same_as"), "breaks_invariance": alone or together, **studied}


def _replays(context: Context, before: int) -> dict[str, int]:
    """Return the replays that the races before round `before` played, those that no racing would have, and the drops.

    A replay is one repeat of one candidate, at every β and on every question.
    """
    races = [read_json(context.folder.round(number).race) for number in range(1, before)]
    return {
        "played": sum(race["replays"] for race in races),
        "unraced": sum(race["unraced"] for race in races),
        "dropped": sum(len(race["dropped"]) for race in races),
    }


def _play_heldout(context: Context, label: str, number: int, source: str) -> None:
    settings = context.settings
    plans = [
        Plan(Candidate.parse(name), settings.heldout, settings.betas, settings.repeats, cache=baselines_cache())
        for name in settings.baselines
    ]
    if number:
        entries = read_json(context.folder.round(number).proposals)
        betas = betas_of(settings, entries, label)
        plans.append(Plan(Candidate(label, source), settings.heldout, betas, settings.repeats))
    with context.observer.progress("held-out set") as progress:
        evaluation = context.evaluator.evaluate(plans, progress)
    write_table(evaluation.episodes, context.folder.heldout)


def _figures(
    scorer: Scorer, curves: dict[str, Curve], label: str, best_baseline: str, first_best: str | None
) -> dict[str, Any]:
    """Return each controller's objective and sweep, and the selected one's paired differences from the others."""
    values: dict[str, Any] = {"scores": {}, "sweeps": {}}
    for name, curve in curves.items():
        values["scores"][name] = None if curve.failures or not scorer.comparable else asdict(scorer.interval(curve))
        values["sweeps"][name] = [
            {"beta": beta, "accuracy": asdict(accuracy), "tokens": tokens}
            for beta, accuracy, tokens in zip(
                curve.betas, curve.accuracy_intervals(scorer.questions), curve.tokens.tolist(), strict=True
            )
        ]
        if curve.failures:
            values.setdefault("failures", {})[name] = {"statuses": dict(curve.failures), "why": curve.why}
    references = {"best_baseline": best_baseline, "round_1_best": first_best}
    for name, other in references.items():
        if other is not None and scorer.comparable:
            values[f"over_{name}"] = asdict(scorer.difference(curves[label], curves[other]))
    return values
