"""Runs a study: each run in a process of its own, several at once; interrupted runs are resumed."""

from collections.abc import Callable
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.run.files import RunError
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from graph.run.settings import RunSettings
from graph.study.plan import Plan, Planned
from sandbox.jobs import ProcessPool


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of one run of a study."""

    planned: Planned
    why: str | None
    """Why it did not complete; None if it did."""


Say = Callable[[str], None]


def run_study(plan: Plan, folder: Path, say: Say, *, executor: str = "local") -> list[RunOutcome]:
    """Start or resume every run of a study that is not complete. A run that fails does not stop the others.

    Args:
        plan: The study.
        folder: Folder of the study.
        say: Called with a line for each finished run.
        executor: Where each run plays its episodes: a name in `sandbox.executors.EXECUTORS`.

    Returns:
        The outcomes in the order of the plan.

    Raises:
        RunError: A run in the folder has other settings than the plan; raised before any run is started.
    """
    for planned in plan.runs:
        _check_same(run_folder(folder, planned), planned.settings)
    waiting = [planned for planned in plan.runs if not _is_complete(run_folder(folder, planned), planned.settings)]
    if len(waiting) < len(plan.runs):
        say(f"{len(plan.runs) - len(waiting)} of {len(plan.runs)} runs are there already")
    outcomes = {planned.folder: RunOutcome(planned, None) for planned in plan.runs}
    # A fresh process for each run, so that runs share no state. Closing the pool interrupts running ones; they resume
    # from their last checkpoints.
    with ProcessPool(min(plan.study.concurrent_runs, max(1, len(waiting))), fresh=True) as pool:
        started: dict[Future[str | None], Planned] = {
            pool.submit(_run, run_folder(folder, planned).path, planned.settings, plan, executor): planned
            for planned in waiting
        }
        for done, future in enumerate(as_completed(started), 1):
            planned = started[future]
            error = future.exception()
            why = f"the process ended ({type(error).__name__}: {error})" if error else future.result()
            outcomes[planned.folder] = RunOutcome(planned, why)
            how = "done" if why is None else f"stopped: {why}"
            say(f"{done} of {len(waiting)}: {planned.arm.name}, seed {planned.seed}: {how}")
    return [outcomes[planned.folder] for planned in plan.runs]


def run_folder(folder: Path, planned: Planned) -> RunFolder:
    """Return the folder of a run of a study."""
    return RunFolder(folder / "runs" / planned.folder)


def _is_complete(folder: RunFolder, wanted: RunSettings) -> bool:
    """Return whether a run has ended with the number of rounds that the study has now."""
    return folder.result.exists() and Pinned.load(folder.settings).settings.rounds == wanted.rounds


def _check_same(folder: RunFolder, wanted: RunSettings) -> None:
    """Raise RunError if a run has other settings than the study, but for the number of rounds, which may change."""
    if not folder.settings.exists():
        return
    began = Pinned.load(folder.settings).settings
    for name, now in _given(wanted).items():
        was = getattr(began, name)
        if name != "rounds" and was != now:
            raise RunError(
                f"{folder.path}: {name}: the run began with {was!r}, and the study says {now!r}; "
                "give the study another --out, or move that run away"
            )


def _given(settings: RunSettings) -> dict[str, Any]:
    """Return the settings that the study fixes, without those that a run resolves: sandbox `auto`, default caps."""
    return {name: value for name, value in settings if (name, value) not in _SETTLED}


_SETTLED = (("sandbox", "auto"), ("max_cost", None), ("max_tokens", None))


def _run(path: Path, settings: RunSettings, plan: Plan, executor: str) -> str | None:
    """Start or resume a run in its own process. Returns why it did not complete, or None if it did."""
    from envdata.errors import UserError, sentence
    from graph.loop import discovery
    from graph.loop.interrupts import RunPaused
    from graph.run.observers import ObserverGroup, SilentObserver

    folder, silence, complete = RunFolder(path), SilentObserver(), False
    tracker = None
    try:
        tracker = plan.mirror.tracker(folder, silence.say)
        observer = ObserverGroup(silence, [tracker] if tracker is not None else [])
        where: dict[str, Any] = {"jobs": plan.study.jobs, "executor": executor}
        if folder.settings.exists():
            discovery.resume(path, _given(settings), **where, observer=observer, calls=plan.calls)
        else:
            path.mkdir(parents=True, exist_ok=True)
            discovery.start(path, settings, **where, observer=observer, calls=plan.calls)
        complete = True
    except (UserError, RunPaused) as error:
        return str(error) or type(error).__name__
    except OSError as error:
        if (message := sentence(error)) is None:
            raise
        return message
    finally:
        if tracker is not None:
            tracker.close(complete=complete)
    return None
