"""Public interface: discover, evaluate and use controllers for test-time scaling. Holds no logic.

    import autotts

    result = autotts.evaluate(["asc", "cmc"], "bundled")
    print(result)
    run = autotts.discover("bundled/search", "bundled/heldout", rounds=2)

Each name is imported from its module at its first use, so that `import autotts` is quick. In a sandbox, where
controllers run, `autotts` is only the controller API (`sandbox.tts`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envdata.episodes import Terms as Terms
    from envdata.grid import Grid as Grid
    from graph.analysis.comparison_result import ComparisonResult as ComparisonResult
    from graph.analysis.evaluation import compare as compare
    from graph.analysis.evaluation import evaluate as evaluate
    from graph.analysis.evaluation import explain as explain
    from graph.analysis.evaluation_result import EvaluationResult as EvaluationResult
    from graph.analysis.explanation import Explanation as Explanation
    from graph.loop.search import discover as discover
    from graph.loop.subgraph import graph as graph
    from graph.report.run_summary import Run as Run
    from graph.report.run_summary import load_run as load_run
    from graph.study.search import Study as Study
    from graph.study.search import study as study
    from sandbox.candidate import Candidate as Candidate
    from sandbox.live.api import asolve as asolve
    from sandbox.live.api import solve as solve
    from sandbox.live.solution import Solution as Solution
    from sandbox.play import PlayedEpisode as PlayedEpisode
    from sandbox.play import play as play
    from sandbox.replay_player import EvaluationSettings as EvaluationSettings
    from sandbox.tts import ActionError as ActionError
    from sandbox.tts import AlreadyProbed as AlreadyProbed
    from sandbox.tts import Answer as Answer
    from sandbox.tts import Branch as Branch
    from sandbox.tts import BranchFinished as BranchFinished
    from sandbox.tts import BranchPruned as BranchPruned
    from sandbox.tts import BudgetExceeded as BudgetExceeded
    from sandbox.tts import Controller as Controller
    from sandbox.tts import DuplicateBranch as DuplicateBranch
    from sandbox.tts import Episode as Episode
    from sandbox.tts import EpisodeOver as EpisodeOver
    from sandbox.tts import NoOpenSlot as NoOpenSlot
    from sandbox.tts import NoProbe as NoProbe
    from sandbox.tts import Poll as Poll
    from sandbox.tts import Tally as Tally
    from sandbox.tts import UnknownBranch as UnknownBranch
    from sandbox.tts import UnknownSignal as UnknownSignal
    from sandbox.tts import confidence as confidence
    from sandbox.tts import majority as majority
    from sandbox.tts import poll as poll

_EXPORTS = {
    "envdata.episodes": ("Terms",),
    "envdata.grid": ("Grid",),
    "graph.analysis.comparison_result": ("ComparisonResult",),
    "graph.analysis.evaluation": ("compare", "evaluate", "explain"),
    "graph.analysis.evaluation_result": ("EvaluationResult",),
    "graph.analysis.explanation": ("Explanation",),
    "graph.loop.search": ("discover",),
    "graph.loop.subgraph": ("graph",),
    "graph.report.run_summary": ("Run", "load_run"),
    "graph.study.search": ("Study", "study"),
    "sandbox.candidate": ("Candidate",),
    "sandbox.live.api": ("asolve", "solve"),
    "sandbox.live.solution": ("Solution",),
    "sandbox.play": ("PlayedEpisode", "play"),
    "sandbox.replay_player": ("EvaluationSettings",),
    "sandbox.tts": (
        "ActionError", "AlreadyProbed", "Answer", "Branch", "BranchFinished", "BranchPruned", "BudgetExceeded",
        "Controller", "DuplicateBranch", "Episode", "EpisodeOver", "NoOpenSlot", "NoProbe", "Poll", "Tally",
        "UnknownBranch", "UnknownSignal",
        "confidence", "majority", "poll",
    ),
}  # fmt: skip
"""Public names, by the module that defines them."""

_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """Return a public name, imported from its module. Raises AttributeError for any other."""
    if name not in _MODULES:
        raise AttributeError(f"module 'autotts' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
