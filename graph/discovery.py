"""Starting a run, and going on with one."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


@contextmanager
def _alone_in(path: Path) -> Iterator[None]:
    """Hold the run's folder, so that no two processes go on with one run; the lock ends with the process."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RunError(f"{path}: another process is going on with this run; wait for it, or end it") from None
    finally:
        os.close(descriptor)


def _pin(settings: RunSettings) -> Pinned:
    Objective.parse(settings.objective)
    explorer = make_explorer(settings.explorer)
    hashes = grid_hashes(settings)
    backend = make_backend(settings.sandbox)
    return Pinned(replace(settings, sandbox=backend.name), hashes, dict(explorer.identity()))


def _go(folder: RunFolder, settings: RunSettings, jobs: int, teller: Teller) -> dict[str, Any]:
    with _alone_in(folder.path):
        for left in folder.path.rglob(".*.tmp"):
            # What a kill left half-written; nobody else writes here.
            left.unlink(missing_ok=True)
        with Evaluator(settings.evaluation(), sandbox=settings.sandbox, jobs=jobs) as evaluator:
            teller.say(f"sandbox: {evaluator.backend.name}")
            run(Context(settings, folder, evaluator, make_explorer(settings.explorer), teller))
        write_report(folder)
    result: dict[str, Any] = read_json(folder.result)
    return result
