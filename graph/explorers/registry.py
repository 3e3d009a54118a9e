"""Explorers by name: those that come with the project, and those of other packages.

A package adds one through an entry point of the group `autotts.explorers`; what it names is called with the text after
the colon of `--explorer name:text` (empty if there is none) and returns an `Explorer`.
"""

from collections.abc import Callable
from importlib.metadata import entry_points

from graph.explorers.base import Explorer, ExplorerError
from graph.explorers.setup import Setup
from graph.settings import RunSettings

GROUP = "autotts.explorers"

Maker = Callable[[str, Setup], Explorer]


def _evolution(argument: str, setup: Setup) -> Explorer:
    from graph.explorers.evolution.explorer import Evolution

    if argument:
        raise ExplorerError(f"evolution:{argument}: the explorer evolution takes no argument")
    return Evolution()


def _folder(argument: str, setup: Setup) -> Explorer:
    from graph.explorers.folder import Folder

    return Folder(argument)


def _recorded(argument: str, setup: Setup) -> Explorer:
    from graph.explorers.recorded import Recorded

    return Recorded(argument)


def _model(name: str) -> Maker:
    def make(argument: str, setup: Setup) -> Explorer:
        from graph.explorers.models.making import make_model_explorer

        return make_model_explorer(name, argument, setup)

    return make


def _agent(name: str) -> Maker:
    def make(argument: str, setup: Setup) -> Explorer:
        from graph.explorers.agents.explorer import make_agent

        return make_agent(name, argument, setup)

    return make


BUILT_IN: dict[str, Maker] = {
    "agent-command": _agent("agent-command"),
    "anthropic": _model("anthropic"),
    "claude-code": _agent("claude-code"),
    "codex": _agent("codex"),
    "evolution": _evolution,
    "folder": _folder,
    "langchain": _model("langchain"),
    "openai": _model("openai"),
    "recorded": _recorded,
    "vllm": _model("vllm"),
}


def make_explorer(spec: str, setup: Setup | None = None) -> Explorer:
    """The explorer that `name` or `name:argument` asks for, for a run. Raises ExplorerError, naming those there are."""
    name, _, argument = spec.partition(":")
    if name in BUILT_IN:
        return BUILT_IN[name](argument, setup or Setup(RunSettings(grids=("none",), heldout=())))
    plugged = entry_points(group=GROUP)
    if name not in plugged.names:
        raise ExplorerError(
            f"there is no explorer {name!r}; there are {', '.join(sorted({*BUILT_IN, *plugged.names}))}"
        )
    try:
        explorer: Explorer = plugged[name].load()(argument)
    except ExplorerError:
        raise
    except Exception as error:
        raise ExplorerError(f"the explorer {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    return explorer
