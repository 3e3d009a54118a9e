"""The graph for LangGraph's own server and Studio: `langgraph.json` names `discovery` here.

The server brings checkpoints and threads of its own; a thread is a run. Its settings come from the thread's
configuration, by the names of `RunSettings`, over those of a short search on the bundled grid; its folder is
`runs/studio-<thread>` unless `run` says another. The server shows nodes, interrupts and how they are answered.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

import envdata
from graph.accounting.episodes import CountingEvaluator
from graph.accounting.starting import settle_caps
from graph.context import Context
from graph.discovery import explorer_of, pin
from graph.explorers.setup import Setup
from graph.folder import RunFolder
from graph.journal import Journal
from graph.machine import build
from graph.nodes.state import State
from graph.settings import Pinned, RunError, RunSettings
from graph.telling import Silence

BUNDLED = Path(envdata.__file__).parent / "bundled"
LOG = logging.getLogger("autotts")
_contexts: dict[Path, Context] = {}
"""One a run folder: sandboxes stay warm between the nodes of a thread, which the server calls one by one."""


def discovery(config: RunnableConfig) -> CompiledStateGraph[State]:
    """Made anew for each use by the server, which adds its checkpointer. Runs nothing."""
    return build(_find).compile(name="discovery")


def settings_of(given: Mapping[str, Any]) -> RunSettings:
    """Settings from a thread's configuration; what it does not name is as in `autotts discover`. Raises RunError."""
    defaults: dict[str, Any] = {"grids": (str(BUNDLED / "word-problems-search.parquet"),), "heldout": ()}
    known = {each.name for each in fields(RunSettings)}
    # The server adds names of its own to what a person gives; only ours are read.
    named = {name: _plain(value) for name, value in given.items() if name in known}
    try:
        return RunSettings(**{**defaults, **named})
    except TypeError as error:
        raise RunError(f"the configuration of the thread cannot be used: {error}") from None


def _find(config: RunnableConfig) -> Context:
    given = config.get("configurable", {})
    path = Path(given.get("run") or Path("runs") / f"studio-{given.get('thread_id', 'without-thread')}")
    if path not in _contexts:
        folder = RunFolder(path)
        pinned = pin(settle_caps(settings_of(given), LOG.warning))
        if folder.settings.exists():
            Pinned.load(folder.settings).check_same(pinned)
        else:
            pinned.save(folder.settings)
        settings = pinned.settings
        evaluator = CountingEvaluator(settings.evaluation(), sandbox=settings.sandbox, jobs=os.cpu_count() or 1)
        explorer = explorer_of(Setup(settings, evaluator=evaluator, say=LOG.warning))
        # Minutes between two servers, in which nothing ran, count for nothing.
        Journal(folder.round(0).transcript).record("session")
        _contexts[path] = Context(settings, folder, evaluator, explorer, Silence())
    return _contexts[path]


def _plain(value: Any) -> Any:
    """Lists as tuples, as settings have them; text that is JSON of a list too, as a form's field gives it."""
    if isinstance(value, str) and value.startswith("["):
        value = json.loads(value)
    return tuple(value) if isinstance(value, list) else value
