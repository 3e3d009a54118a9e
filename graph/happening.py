"""What is new in a run's folder after a node, as plain JSON: for JSON lines, the terminal and trackers."""

from collections.abc import Mapping
from typing import Any

from graph.critic.frontier import read_frontier
from graph.folder import RunFolder, read_json


def happened(folder: RunFolder, node: str, number: int) -> dict[str, Any] | None:
    """The event that the end of a node is; None for one that ends without anything to tell.

    Scores are in the unit of the objective (fractions for `area`), frontier points have `controller`, `beta`,
    `accuracy` and `tokens`; `spent` is the run's total so far, as in `accounting.json`.
    """
    own = folder.round(number)
    match node:
        case "baselines":
            said = read_json(own.metrics)
            scores = {each["label"]: each["score"] for each in said["baselines"]}
            return {"event": node, "range": [said["low"], said["high"]], "scores": scores}
        case "proposer" if own.proposals.exists():
            kept = [{name: each[name] for name in ("label", "status", "why")} for each in read_json(own.proposals)]
            return {"event": "proposals", "round": number, "candidates": kept}
        case "executor":
            return {"event": "evaluation", "round": number, "race": read_json(own.race)}
        case "historian":
            return {"event": "round", **archived(folder, number), "spent": read_json(folder.accounting)["total"]}
    return None


def archived(folder: RunFolder, number: int) -> dict[str, Any]:
    """A complete round: its best candidate, how it compares, and the frontier after it (of the latest round)."""
    said = read_json(folder.round(number).metrics)
    candidates = said["candidates"]
    best: Mapping[str, Any] = next((each for each in candidates if each["label"] == said["best"]), {})
    return {
        "round": number,
        "best": said["best"],
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
