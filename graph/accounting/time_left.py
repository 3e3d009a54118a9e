"""Time that a run still takes, estimated from what it has completed."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned
from graph.run.questions import read_questions
from graph.run.settings import RunSettings


def seconds_left(folder: RunFolder) -> float | None:
    """Return the estimated seconds until a run ends; None before its first round is complete, and after its end.

    A round to come takes the median of the complete ones. On the held-out set the baselines take as long a question as
    on the search set, and the selected controller as long an episode as the candidates.

    Raises:
        RunError: A file of the run is damaged.
    """
    if not folder.accounting.exists():
        return None
    settings, spent = Pinned.load(folder.settings).settings, read_json(folder.accounting)
    complete = [own for own in spent["rounds"].values() if "historian" in own["nodes"]]
    planned = settings.rounds - len(complete)
    if not complete or (planned <= 0 and folder.result.exists()):
        return None
    minutes = max(0, planned) * median(own["total"]["minutes"] for own in complete)
    if settings.max_minutes is not None:
        minutes = min(minutes, max(0.0, settings.max_minutes - spent["total"]["minutes"]))
    return 60 * float(minutes + _heldout_minutes(folder, settings, spent["rounds"]))


def _heldout_minutes(folder: RunFolder, settings: RunSettings, rounds: Mapping[str, Any]) -> float:
    path = folder.round(0).questions
    search = read_questions(path, "search", settings.grids)
    heldout = read_questions(path, "heldout", settings.heldout)
    # Runs of earlier versions recorded no questions.
    if not settings.heldout or search is None or heldout is None:
        return 0.0
    questions = sum(map(len, heldout.ids))
    baselines = rounds.get("round-000", {"nodes": {}})["nodes"].get("baselines", {"minutes": 0.0})["minutes"]
    played = [own["nodes"]["executor"] for own in rounds.values() if "executor" in own["nodes"]]
    minutes, episodes = (sum(node[name] for node in played) for name in ("minutes", "episodes"))
    own = len(settings.betas) * settings.repeats * questions * minutes / max(1, episodes)
    return float(baselines * questions / max(1, sum(map(len, search.ids))) + own)
