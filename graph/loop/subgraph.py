"""The state machine as a graph of a user's own: `autotts.graph`, a node of another LangGraph graph or alone.

The user's graph has its own checkpoints and threads, and answers the interrupts. The run is a folder as every run's is;
what is in it is not done twice when a node runs again.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_stream_writer
from langgraph.graph.state import CompiledStateGraph

from graph.analysis.evaluation import AnyGrid, grid_paths
from graph.explorers.context import ExplorerContext
from graph.loop.context import Context, CountingEvaluator, State
from graph.loop.default_caps import with_default_caps
from graph.loop.discovery import make_run_explorer, pin, save_settings
from graph.loop.machine import build
from graph.loop.run_lock import lock_run
from graph.report.page.render import write_report
from graph.run.bundled import grids_or_bundled
from graph.run.events import node_event
from graph.run.observers import RunObserver
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from graph.run.settings import ModelCallSettings, RunSettings
from graph.run.transcript import SESSION, Transcript
from sandbox.evaluate import Progress
from sandbox.run_secret import load_secret


def graph(
    grids: AnyGrid | tuple[AnyGrid, ...] | list[AnyGrid] = (),
    heldout: AnyGrid | tuple[AnyGrid, ...] | list[AnyGrid] = (),
    *,
    out: Path | str,
    explorer: str | tuple[str, ...] | list[str] = "evolution",
    jobs: int = 1,
    executor: str = "local",
    calls: ModelCallSettings | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    **settings: Any,
) -> CompiledStateGraph[State]:
    """Return a search as a compiled LangGraph graph, for a node of another graph or to be invoked itself.

    It needs no input. At its end its state has `selected`, the label of the selected controller, and `controller`, the
    path of its source; a graph around it reads those that it has keys for. With `approve=True`, or the explorer
    `folder:PATH`, it interrupts: `Command(resume=True)` goes on. Its events stream in the modes `updates` and `custom`
    (docs/langgraph.md).

    Args:
        grids: The search set, as for `discover`.
        heldout: Grids for the end alone.
        out: The run's folder. A run that is in it goes on, if it was begun with the same settings.
        explorer: The explorer, as `name` or `name:argument`; several take turns.
        jobs: Processes that play episodes.
        executor: `local`, or `ray`.
        calls: How models are called: time limit, retries, requests at a time.
        checkpointer: Checkpoints, for a graph that is invoked itself; a node has those of the graph around it.
        **settings: Further settings of the run, as for `discover`. `checkpoints` has no effect.

    Raises:
        RunError: A setting does not exist or has an impossible value.
        GridError: A loaded grid has changed.
    """
    searched, held = grids_or_bundled(*(() if each == () else grid_paths(each) for each in (grids, heldout)))
    explorers = (explorer,) if isinstance(explorer, str) else tuple(explorer)
    chosen = RunSettings(grids=searched, heldout=held, explorers=explorers, **settings)

    def make(observer: RunObserver) -> Context:
        return open_context(
            Path(out), chosen, observer=observer, jobs=jobs, executor=executor, calls=calls or ModelCallSettings()
        )

    run = _OpenRun(RunFolder(Path(out)), make)
    return build(run.context, lock=lock_run).compile(checkpointer=checkpointer, name="autotts")


class StreamObserver:
    """Run observer that writes JSON events to LangGraph's stream, mode `custom`."""

    def __init__(self, folder: RunFolder) -> None:
        """Observe the run in a folder."""
        self._folder = folder

    def say(self, text: str) -> None:
        """Write a message."""
        get_stream_writer()({"event": "message", "text": text})

    @contextmanager
    def progress(self, what: str, unit: str = "episodes") -> Iterator[Progress]:
        """Yield a progress callback that writes an event for each percent."""
        write, last = get_stream_writer(), -1

        def progress(done: int, total: int) -> None:
            nonlocal last
            percent = 100 * done // max(1, total)
            if percent != last:
                last = percent
                write({"event": "progress", "what": what, unit: done, "of": total})

        yield progress

    def finished(self, node: str, number: int) -> None:
        """Write the event of a finished node, as `autotts discover --json` prints it."""
        event = node_event(self._folder, node, number)
        if event is not None:
            get_stream_writer()(event)


class _OpenRun:
    """The context of a run, opened by its first node, and closed after its last."""

    def __init__(self, folder: RunFolder, make: Callable[[RunObserver], Context]) -> None:
        self._folder, self._make = folder, make
        self._context: Context | None = None

    def context(self, config: RunnableConfig) -> Context:
        """Return the context; the first call makes or opens the run. Raises as `open_context`."""
        if self._context is None:
            self._context = self._make(_Finish(self._folder, self._close))
            # A graph that stops before its end leaves no processes behind either.
            weakref.finalize(self, self._context.evaluator.close)
        return self._context

    def _close(self) -> None:
        if self._context is not None:
            self._context.evaluator.close()
            self._context = None


class _Finish(StreamObserver):
    """Observer that writes the run's page after the last node, and ends the processes of the run."""

    def __init__(self, folder: RunFolder, close: Callable[[], None]) -> None:
        super().__init__(folder)
        self._close = close

    def finished(self, node: str, number: int) -> None:
        """Write the event of a finished node; after the last one, the page."""
        super().finished(node, number)
        if node == "finale":
            write_report(self._folder)
            self._close()


def open_context(
    path: Path,
    settings: RunSettings,
    *,
    observer: RunObserver,
    jobs: int,
    executor: str = "local",
    calls: ModelCallSettings = ModelCallSettings(),  # noqa: B008  (frozen)
) -> Context:
    """Return the context of the run in a folder, which is made unless it was begun with the same settings.

    Raises:
        RunError: The run was begun with other settings, or a setting cannot be used.
        Exception: As `graph.loop.discovery.start`.
    """
    folder = RunFolder(path)
    pinned = pin(with_default_caps(settings, observer.say))
    path.mkdir(parents=True, exist_ok=True)
    with lock_run(path):
        if folder.settings.exists():
            Pinned.load(folder.settings).check_same(pinned)
        else:
            save_settings(folder, pinned, observer)
    evaluator = CountingEvaluator(
        pinned.settings.evaluation(load_secret(folder.secret)),
        sandbox=pinned.settings.sandbox,
        jobs=jobs,
        executor=executor,
    )
    explorer = make_run_explorer(ExplorerContext(pinned.settings, calls, evaluator, observer.say))
    # Starts a session: the time since the previous process does not count as minutes of the run.
    Transcript(folder.round(0).transcript).record(SESSION)
    return Context(pinned.settings, folder, evaluator, explorer, observer)
