"""Explorers by name: those of the project and those of other packages, registered in the same way.

An entry point of the group `autotts.explorers` names a callable. It is called with the text after the colon of
`--explorer name:text` (empty if there is none) and with the context of the run, and returns an `Explorer`.
"""

import inspect
from typing import Any

from envdata.plugins import PluginGroup
from graph.explorers.base import Explorer, ExplorerError
from graph.explorers.context import ExplorerContext
from graph.run.files import RunError
from graph.run.settings import RunSettings

EXPLORERS = PluginGroup(
    "autotts.explorers",
    "explorer",
    {
        "agent-command": "graph.explorers.agents.explorer:make_agent_command",
        "anthropic": "graph.explorers.models.factory:make_anthropic",
        "claude-code": "graph.explorers.agents.explorer:make_claude_code",
        "codex": "graph.explorers.agents.explorer:make_codex",
        "evolution": "graph.explorers.evolution.explorer:make_evolution",
        "folder": "graph.explorers.folder:make_folder",
        "gepa": "graph.explorers.searches.explorer:make_gepa",
        "langchain": "graph.explorers.models.factory:make_langchain",
        "openai": "graph.explorers.models.factory:make_openai",
        "openevolve": "graph.explorers.searches.explorer:make_openevolve",
        "recorded": "graph.explorers.recorded:make_recorded",
        "shinka": "graph.explorers.searches.explorer:make_shinka",
        "vllm": "graph.explorers.models.factory:make_vllm",
    },
    ExplorerError,
)


def make_explorer(spec: str, context: ExplorerContext | None = None) -> Explorer:
    """The explorer that `name` or `name:argument` asks for. Raises ExplorerError, which names those there are."""
    name, _, argument = spec.partition(":")
    _check_parameters(name, EXPLORERS.load(name))
    context = context or ExplorerContext(RunSettings(grids=("none",), heldout=()))
    explorer: Explorer = EXPLORERS.make(
        name, Explorer, "methods of an explorer; derive it from graph.explorers.base.Explorer", argument, context,
        passed=(ExplorerError, RunError),
    )  # fmt: skip
    return explorer


def _check_parameters(name: str, make: Any) -> None:
    """Raise ExplorerError unless `make` can be called as `(argument, context)`."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):
        # Callables written in C may not tell.
        return
    try:
        signature.bind("", None)
    except TypeError:
        raise EXPLORERS.failure(
            name,
            f"takes {signature}, and is called as (argument, context): give it a second parameter for the context, "
            "which holds the run's settings (graph.explorers.context)",
        ) from None
