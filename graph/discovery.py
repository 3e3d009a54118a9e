"""Starting a run, and going on with one."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from graph.accounting.episodes import CountingEvaluator
from graph.accounting.starting import settle_caps
from graph.checkpoints import check_url
from graph.context import Context
from graph.explorers.base import Explorer
from graph.explorers.registry import make_explorer
from graph.explorers.setup import Setup
from graph.explorers.several import compose, parts
from graph.folder import RunFolder, read_json
from graph.journal import Journal
from graph.machine import run
from graph.objective import Objective
from graph.pausing import Person, Waiting, nobody
from graph.report import write_report
from graph.settings import Conduct, Pinned, RunError, RunSettings, grid_hashes
from graph.telling import Teller
from sandbox.backends.choose import make_backend


class Busy(RunError):
    """Another process holds the run."""


def start(
    path: Path,
    settings: RunSettings,
    *,
    jobs: int,
    teller: Teller,
    person: Person = nobody,
    conduct: Conduct = Conduct(),  # noqa: B008  (frozen)
) -> dict[str, Any]:
    """Begin a run in a folder that holds none, and bring it to its end; returns what `result.json` holds.

    `person` is asked when the run stops for somebody. Raises Waiting if it may not go on yet; RunError, ObjectiveError,
    ExplorerError, GridError, SandboxUnavailable, InfrastructureError.
    """
    folder = RunFolder(path)
    if folder.settings.exists():
        raise RunError(f"{path} holds a run already; go on with it by --resume {path}, or give another --out")
    pinned = pin(settle_caps(settings, teller.say))
    pinned.save(folder.settings)
    return _go(folder, pinned.settings, jobs, teller, person, conduct)


def resume(
    path: Path,
    given: Mapping[str, Any],
    *,
    jobs: int,
    teller: Teller,
    person: Person = nobody,
    conduct: Conduct = Conduct(),  # noqa: B008  (frozen)
) -> dict[str, Any]:
    """Go on with the run in a folder; `given` are settings that were asked for, which must be those it began with.

    `approve` among them says yes to the execution that the run stopped before. Raises RunError if anything that the
    results depend on has changed, and as `start` does.
    """
    folder = RunFolder(path)
    began = Pinned.load(folder.settings)
    asked = {name: value for name, value in given.items() if (name, value) != ("sandbox", "auto")}
    began.check_same(pin(settle_caps(replace(began.settings, **asked), lambda text: None)))
    return _go(folder, began.settings, jobs, teller, person, conduct, approved=bool(given.get("approve")))


@contextmanager
def _alone_in(path: Path) -> Iterator[None]:
    """Hold the run's folder, so that no two processes go on with one run; the lock ends with the process."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Busy(f"{path}: another process is going on with this run; wait for it, or end it") from None
    finally:
        os.close(descriptor)


def explorer_of(setup: Setup) -> Explorer:
    """The explorer that a run asks for, or several as one, and the critic. Raises ExplorerError, RunError."""
    settings = setup.settings
    twice = sorted({spec for spec in settings.explorers if settings.explorers.count(spec) > 1})
    if twice:
        raise RunError(f"--explorer {twice[0]} is given twice; two of one kind must differ in something")
    critic = make_explorer(settings.critic, setup) if settings.critic else None
    explorers = {spec: make_explorer(spec, setup) for spec in settings.explorers}
    return compose(explorers, critic, side_by_side=settings.side_by_side)


def pin(settings: RunSettings) -> Pinned:
    """Check everything that can be checked before a run is begun, and say what it will be held to."""
    Objective.parse(settings.objective)
    if settings.checkpoints != RunSettings.checkpoints:
        check_url(settings.checkpoints)
    explorer = explorer_of(Setup(settings))
    hashes = grid_hashes(settings)
    backend = make_backend(settings.sandbox)
    pinned = Pinned(replace(settings, sandbox=backend.name), hashes, dict(explorer.identity()))
    for part in parts(explorer):
        check = getattr(part, "check_run", None)
        if check is not None:
            check(pinned)
    return pinned


def _go(
    folder: RunFolder,
    settings: RunSettings,
    jobs: int,
    teller: Teller,
    person: Person,
    conduct: Conduct,
    *,
    approved: bool = False,
) -> dict[str, Any]:
    with _alone_in(folder.path):
        for left in folder.path.rglob(".*.tmp"):
            # What a kill left half-written; nobody else writes here.
            left.unlink(missing_ok=True)
        with CountingEvaluator(settings.evaluation(), sandbox=settings.sandbox, jobs=jobs) as evaluator:
            teller.say(f"sandbox: {evaluator.backend.name}")
            Journal(folder.round(0).transcript).record("session")
            explorer = explorer_of(Setup(settings, conduct, evaluator, teller.say))
            context = Context(settings, folder, evaluator, explorer, teller)
            pause = run(context, person, approved=approved)
        if pause is not None:
            raise Waiting(pause, folder.path)
        write_report(folder)
    result: dict[str, Any] = read_json(folder.result)
    return {**result, "accounting": read_json(folder.accounting)["total"]}
