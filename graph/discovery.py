"""Starting a run, and going on with one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from graph.context import Context
from graph.explorers.registry import make_explorer
from graph.folder import RunFolder, read_json
from graph.machine import run
from graph.objective import Objective
from graph.report import write_report
from graph.settings import Pinned, RunError, RunSettings, grid_hashes
from graph.telling import Teller
from sandbox.backends.choose import make_backend
from sandbox.evaluate import Evaluator


def start(path: Path, settings: RunSettings, *, jobs: int, teller: Teller) -> dict[str, Any]:
    """Begin a run in a folder that holds none, and bring it to its end; returns what `result.json` holds.

    Raises RunError, ObjectiveError, ExplorerError, GridError, SandboxUnavailable, InfrastructureError.
    """
    folder = RunFolder(path)
    if folder.settings.exists():
        raise RunError(f"{path} holds a run already; go on with it by --resume {path}, or give another --out")
    pinned = _pin(settings)
    pinned.save(folder.settings)
    return _go(folder, pinned.settings, jobs, teller)


def resume(path: Path, given: Mapping[str, Any], *, jobs: int, teller: Teller) -> dict[str, Any]:
    """Go on with the run in a folder; `given` are settings that were asked for, which must be those it began with.

    Raises RunError if anything that the results depend on has changed, and as `start` does.
    """
    folder = RunFolder(path)
    began = Pinned.load(folder.settings)
    asked = {name: value for name, value in given.items() if (name, value) != ("sandbox", "auto")}
    began.check_same(_pin(replace(began.settings, **asked)))
    return _go(folder, began.settings, jobs, teller)


def _pin(settings: RunSettings) -> Pinned:
    Objective.parse(settings.objective)
    explorer = make_explorer(settings.explorer)
    hashes = grid_hashes(settings)
    backend = make_backend(settings.sandbox)
    return Pinned(replace(settings, sandbox=backend.name), hashes, dict(explorer.identity()))


def _go(folder: RunFolder, settings: RunSettings, jobs: int, teller: Teller) -> dict[str, Any]:
    with Evaluator(settings.evaluation(), sandbox=settings.sandbox, jobs=jobs) as evaluator:
        run(Context(settings, folder, evaluator, make_explorer(settings.explorer), teller))
    write_report(folder)
    result: dict[str, Any] = read_json(folder.result)
    return result
