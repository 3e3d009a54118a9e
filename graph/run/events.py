"""JSON events for finished nodes, made from a run's folder: for JSON lines, the terminal and MLflow."""

from collections.abc import Mapping
from typing import Any

from graph.run.candidates import read_frontier
from graph.run.paths import RunFolder, read_json


def node_event(folder: RunFolder, node: str, number: int) -> dict[str, Any] | None:
    """Return the JSON event for a finished node, or None for a node that reports nothing.

    Args:
        folder: The run's folder.
        node: Name of the node.
        number: Round in progress.

    Returns:
        A JSON object. Scores are in the unit of the objective (fractions for `gain` and `area`); frontier points have
        `controller`, `beta`, `accuracy` and `tokens`; `spent` is the run's total so far, as in `accounting.json`.
    """
    own = folder.round(number)
    match node:
        case "baselines":
            metrics = read_json(own.metrics)
            scores = {each["label"]: each["score"] for each in metrics["baselines"]}
            return {"event": node, "range": [metrics["low"], metrics["high"]], "scores": scores}
        case "proposer" if own.proposals.exists():
            proposals = read_json(own.proposals)
            candidates = [{name: each[name] for name in ("label", "status", "why")} for each in proposals]
            return {"event": "proposals", "round": number, "candidates": candidates}
        case "executor":
            return {"event": "evaluation", "round": number, "race": read_json(own.race)}
        case "historian":
            return {"event": "round", **round_summary(folder, number), "spent": read_json(folder.accounting)["total"]}
    return None


def round_summary(folder: RunFolder, number: int) -> dict[str, Any]:
    """Return a complete round as JSON: best candidate, comparisons, counts, and the frontier of the latest round."""
    metrics = read_json(folder.round(number).metrics)
    candidates = metrics["candidates"]
    best: Mapping[str, Any] = next((each for each in candidates if each["label"] == metrics["best"]), {})
    return {
        "round": number,
        "best": metrics["best"],
        "score": best.get("score"),
        "over_baseline": best.get("over_baseline"),
        "gain": best.get("gain"),
        "candidates": len(candidates),
        "failed": sum(each["status"] != "ok" for each in candidates),
        "duplicates": sum(each["same_as"] is not None for each in candidates),
        "frontier": [
            {"controller": point.label, "beta": point.beta, "accuracy": point.accuracy, "tokens": point.tokens}
            for point in read_frontier(folder.frontier)
        ],
    }
