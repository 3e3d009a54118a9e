"""Carrying a study out: its runs in processes of their own, several at once, gone on with where they were stopped."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path

from graph.folder import RunFolder
from graph.settings import Pinned, RunError, RunSettings
from graph.study.plan import Plan, Planned
from sandbox.jobs import end_with_parent


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    planned: Planned
    why: str | None
    """Why it did not come to its end; None if it did."""


Say = Callable[[str], None]


def carry_out(plan: Plan, folder: Path, say: Say) -> list[Outcome]:
    """Bring every run of a study to its end; one that fails stops no other. In the order of the plan.

    Raises RunError before anything is started, if a run that is there already began with other settings.
    """
    for planned in plan.runs:
        _check_same(run_folder(folder, planned), planned.settings)
    waiting = [planned for planned in plan.runs if not run_folder(folder, planned).result.exists()]
    if len(waiting) < len(plan.runs):
        say(f"{len(plan.runs) - len(waiting)} of {len(plan.runs)} runs are there already")
    outcomes = {planned.folder: Outcome(planned, None) for planned in plan.runs}
    spawn = multiprocessing.get_context("spawn")
    workers = min(plan.at_once, max(1, len(waiting)))
    # A process a run: what one leaves behind in its memory is no other's.
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=end_with_parent, max_tasks_per_child=1) as pool:
        started: dict[Future[str | None], Planned] = {
            pool.submit(_run, run_folder(folder, planned).path, planned.settings, plan): planned for planned in waiting
        }
        try:
            for done, future in enumerate(as_completed(started), 1):
                planned = started[future]
                error = future.exception()
                why = f"the process ended ({type(error).__name__}: {error})" if error else future.result()
                outcomes[planned.folder] = Outcome(planned, why)
                how = "done" if why is None else f"stopped: {why}"
                say(f"{done} of {len(waiting)}: {planned.arm.name}, seed {planned.seed}: {how}")
        except BaseException:
            for future in started:
                future.cancel()
            for process in list((pool._processes or {}).values()):
                # Nothing is lost by it: a run goes on from its last checkpoint.
                process.terminate()
            raise
    return [outcomes[planned.folder] for planned in plan.runs]


def run_folder(folder: Path, planned: Planned) -> RunFolder:
    """Where a run of a study is."""
    return RunFolder(folder / "runs" / planned.folder)


def _check_same(folder: RunFolder, wanted: RunSettings) -> None:
    if not folder.settings.exists():
        return
    began = Pinned.load(folder.settings).settings
    for each in fields(RunSettings):
        was, now = getattr(began, each.name), getattr(wanted, each.name)
        # `auto` became a name, and a paid model got a cap, when the run began.
        settled = (each.name == "sandbox" and now == "auto") or (
            each.name in ("max_cost", "max_tokens") and now is None
        )
        if was != now and not settled:
            raise RunError(
                f"{folder.path}: {each.name}: the run began with {was!r}, and the study says {now!r}; "
                "give the study another --out, or move that run away"
            )


def _run(path: Path, settings: RunSettings, plan: Plan) -> str | None:
    """In a process of its own: start or go on; None, or why it did not come to its end."""
    from graph import discovery
    from graph.cli.errors import USER_ERRORS
    from graph.mlflow import Tracker
    from graph.pausing import Waiting
    from graph.telling import Silence, Watched

    stops: tuple[type[Exception], ...] = (*USER_ERRORS, Waiting)
    folder, silence, complete = RunFolder(path), Silence(), False
    tracker = None
    try:
        tracker = Tracker(folder, *plan.tracking, silence.say) if plan.tracking is not None else None
        teller = Watched(silence, [tracker] if tracker is not None else [])
        if folder.settings.exists():
            discovery.resume(path, {}, jobs=plan.jobs, teller=teller, conduct=plan.conduct)
        else:
            path.mkdir(parents=True, exist_ok=True)
            discovery.start(path, settings, jobs=plan.jobs, teller=teller, conduct=plan.conduct)
        complete = True
    except stops as error:
        return str(error) or type(error).__name__
    finally:
        if tracker is not None:
            tracker.close(complete=complete)
    return None
