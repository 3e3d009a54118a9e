"""The end of a run: the selection, and one evaluation on what nobody has seen."""

from dataclasses import asdict
from typing import Any

import pyarrow.parquet as pq

from envdata.atomic import write_text
from graph.context import Context, curves_of, questions_of, source_of
from graph.curves import Curve
from graph.folder import read_json, write_json
from graph.nodes.executor import ignores_beta
from graph.nodes.state import State
from graph.objective import Yardstick
from sandbox.candidate import SHIPPED, Candidate, shipped
from sandbox.evaluate import Plan
from sandbox.results import write_table


def conclude(context: Context, state: State) -> State:
    """Select, evaluate on the held-out grids once, and write down what came out."""
    label, number = select(context, state["round"])
    source = (
        shipped(label).read_text(encoding="utf-8") if number == 0 else source_of(context.folder.round(number), label)
    )
    write_text(context.folder.selected, source)
    if context.settings.heldout:
        _play_heldout(context, label, number, source)
    write_json(context.folder.result, result(context, label, number, state))
    return {"selected": label}


def select(context: Context, before: int) -> tuple[str, int]:
    """The label with the best score of all rounds before `before`, ties to the earlier; its round, 0 for a baseline."""
    yardstick = context.yardstick
    ranked = [(name, 0, yardstick.score(curve)) for name, curve in context.baselines.items() if not curve.failures]
    history = context.history(before)
    ranked += [(tried.label, tried.round, tried.score) for tried in history if tried.score is not None]
    label, number, _ = max(ranked, key=lambda each: each[2])
    return label, number


def result(context: Context, label: str, number: int, state: State) -> dict[str, Any]:
    """What the run ended with: scores with their intervals, on the search set and on the held-out set."""
    settings, yardstick = context.settings, context.yardstick
    search = {name: curve for name, curve in context.baselines.items() if not curve.failures}
    best_baseline = max(search, key=lambda name: yardstick.score(search[name]))
    first = {t.label: t.score for t in context.history(min(2, state["round"])) if t.score is not None}
    first_best = max(first, key=first.__getitem__) if first else None
    wanted = {number: [label], 1: [first_best] if first_best else []}
    if number == 1:
        wanted[1] = list(dict.fromkeys([label, *wanted[1]]))
    for each, labels in wanted.items():
        if each:
            search |= curves_of(context.folder.round(each), labels, settings.grids)
    said: dict[str, Any] = {
        "selected": label,
        "round": number,
        "rounds": state["round"] - 1,
        "stopped": state.get("stopped"),
        "incumbent": number == 0,
        **_caveats(context, label, number),
        "best_baseline": best_baseline,
        "round_1_best": first_best,
        "objective": settings.objective,
        "range": [yardstick.low, yardstick.high],
        "replays": _replays(context, state["round"]),
        "search": _figures(yardstick, search, label, best_baseline, first_best),
    }
    if settings.heldout:
        episodes = pq.read_table(context.folder.heldout)
        names = list(dict.fromkeys([*SHIPPED, label]))
        heldout = {name: Curve.from_episodes(episodes, name, settings.heldout) for name in names}
        # The same range of tokens: nothing about the held-out set chooses how it is looked at.
        other = Yardstick(context.objective, yardstick.low, yardstick.high, questions_of(settings.heldout))
        said["heldout"] = _figures(other, heldout, label, best_baseline, None)
    return said


def _caveats(context: Context, label: str, number: int) -> dict[str, Any]:
    """What the critic has against the selected candidate: whom it acts as, and the changes it does not bear.

    Neither keeps a candidate from being selected, so a result that is read on its own has to say so.
    """
    said = read_json(context.folder.round(number).measures)[label]["contract"] if number else {}
    changes = said.get("invariance") or {}
    alone = [name for name in ("by_itself", "renamed", "reordered") if changes.get(name)]
    together = ["together"] if changes.get("together") else []
    return {"same_as": said.get("same_as"), "breaks_invariance": alone or together}


def _replays(context: Context, before: int) -> dict[str, int]:
    """What the races of all rounds before `before` played, and what full evaluations of all candidates would have.

    A replay is one repeat of one candidate, at every β and on every question.
    """
    races = [read_json(context.folder.round(number).race) for number in range(1, before)]
    return {
        "played": sum(said["replays"] for said in races),
        "unraced": sum(said["unraced"] for said in races),
        "dropped": sum(len(said["dropped"]) for said in races),
    }


def _play_heldout(context: Context, label: str, number: int, source: str) -> None:
    settings = context.settings
    plans = [Plan(Candidate.parse(name), settings.heldout, settings.betas, settings.repeats) for name in SHIPPED]
    if number:
        entries = read_json(context.folder.round(number).proposals)
        betas = None if ignores_beta(entries, label) else settings.betas
        plans.append(Plan(Candidate(label, source), settings.heldout, betas, settings.repeats))
    with context.teller.episodes("held-out set") as progress:
        played = context.evaluator.evaluate(plans, progress)
    write_table(played.episodes, context.folder.heldout)


def _figures(
    yardstick: Yardstick, curves: dict[str, Curve], label: str, best_baseline: str, first_best: str | None
) -> dict[str, Any]:
    """Each candidate's objective and sweep, and how the selected one compares, paired."""
    said: dict[str, Any] = {"scores": {}, "sweeps": {}}
    for name, curve in curves.items():
        said["scores"][name] = None if curve.failures else asdict(yardstick.interval(curve))
        said["sweeps"][name] = [
            {"beta": beta, "accuracy": asdict(accuracy), "tokens": tokens}
            for beta, accuracy, tokens in zip(
                curve.betas, curve.accuracy_intervals(yardstick.questions), curve.tokens.tolist(), strict=True
            )
        ]
        if curve.failures:
            said.setdefault("failures", {})[name] = {"statuses": dict(curve.failures), "why": curve.why}
    against = {"best_baseline": best_baseline, "round_1_best": first_best}
    for what, other in against.items():
        if other is not None:
            said[f"over_{what}"] = asdict(yardstick.difference(curves[label], curves[other]))
    return said
