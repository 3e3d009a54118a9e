"""Entry point of LangGraph's server and Studio: `langgraph.json` names the function `discovery`.

The server has its own checkpoints and threads; a thread is a run. The settings of the run come from the thread's
configuration, by the names of `RunSettings`; without a grid it searches on the bundled one. Its folder is
`runs/studio-<thread>` unless `run` names another. The server shows nodes and interrupts, and users answer interrupts
there.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from pydantic import ConfigDict

from graph.loop.context import Context, State
from graph.loop.machine import build
from graph.loop.run_lock import lock_run
from graph.loop.subgraph import open_context
from graph.run.observers import SilentObserver
from graph.run.settings import SETTINGS, RunSettings

LOG = logging.getLogger("autotts")
_contexts: dict[Path, Context] = {}
"""Contexts by the run's folder: the server calls nodes one by one, and sandboxes stay warm between them."""


class ThreadSettings(RunSettings):
    """Configuration of a thread: the settings of a run, with the bundled grid as default, and the run's folder."""

    # The server adds names of its own to the configuration.
    model_config = ConfigDict(extra="ignore")

    grids: Annotated[tuple[str, ...], *SETTINGS["grids"].info.metadata] = ("bundled/search",)
    """Grids to search on."""
    run: str | None = None
    """The run's folder; without one, runs/studio-<thread>."""


def discovery(config: RunnableConfig) -> CompiledStateGraph[State]:
    """Return the compiled graph; the server calls this for each use and adds its checkpointer."""
    return build(_find_context, ThreadSettings, lock_run).compile(name="discovery")


def settings_of(given: Mapping[str, Any]) -> RunSettings:
    """Return the run's settings from a thread's configuration. Raises RunError."""
    return RunSettings(**RunSettings.values_in(dict(ThreadSettings(**given))))


class _Log(SilentObserver):
    """Observer that logs messages."""

    def say(self, text: str) -> None:
        """Log a message."""
        LOG.warning(text)


def _find_context(config: RunnableConfig) -> Context:
    """Return the context of a thread's run; the first call makes or resumes the run. Raises RunError."""
    given = config.get("configurable", {})
    path = Path(given.get("run") or Path("runs") / f"studio-{given.get('thread_id', 'without-thread')}")
    if path not in _contexts:
        _contexts[path] = open_context(path, settings_of(given), observer=_Log(), jobs=os.cpu_count() or 1)
    return _contexts[path]
