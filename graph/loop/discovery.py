"""Start a discovery run, or resume one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from envdata.atomic import write_text
from envdata.grid import Grid
from envdata.grid_statistics import GridStatistics
from envdata.grid_suitability import set_differences, unfit_reasons
from graph.accounting.totals import write_totals
from graph.critic.measurements import MEASUREMENTS
from graph.explorers.base import Explorer
from graph.explorers.context import ExplorerContext
from graph.explorers.multi import compose
from graph.explorers.registry import make_explorer
from graph.explorers.research.folder import check_explorers
from graph.loop.checkpoints import check_url
from graph.loop.context import Context, CountingEvaluator
from graph.loop.default_caps import with_default_caps
from graph.loop.interrupts import PauseHandler, RunPaused, stay_paused
from graph.loop.machine import run
from graph.loop.rounds import check_rounds
from graph.loop.run_lock import lock_run
from graph.report.page.render import write_report
from graph.run.files import RunError, read_bytes
from graph.run.observers import RunObserver
from graph.run.ownership import check_confirmed, is_own, record_ownership
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned, grid_hashes, package_versions
from graph.run.settings import SETTINGS, ModelCallSettings, RunSettings
from graph.run.transcript import SESSION, SESSION_END, Transcript
from sandbox.backends.choose import make_backend
from sandbox.run_secret import load_secret


def start(
    path: Path,
    settings: RunSettings,
    *,
    jobs: int,
    executor: str = "local",
    observer: RunObserver,
    on_pause: PauseHandler = stay_paused,
    calls: ModelCallSettings = ModelCallSettings(),  # noqa: B008  (frozen)
    secret: Path | None = None,
) -> dict[str, Any]:
    """Start a run in the folder `path` and carry it to its end.

    Args:
        path: Folder of the run; it must not hold one yet.
        settings: Settings of the run.
        jobs: Number of processes that evaluate.
        executor: Where episodes are played: a name in `sandbox.executors.EXECUTORS`. A run may be resumed with another.
        observer: Observer of messages, progress and nodes.
        on_pause: Called at each interrupt; returns whether the run may go on now.
        calls: Settings of model calls, which do not affect what a run pins.
        secret: File with another run's secret. With the same secret and settings two runs write the same bytes.

    Returns:
        The content of `result.json`, with the run's totals under `accounting`.

    Raises:
        RunPaused: The run stopped at an interrupt and may not go on yet.
        RunError: The folder holds a run, or a setting cannot be used.
        RunBusy: Another process is starting a run in the folder.
        ObjectiveError: The objective cannot be parsed or has no range.
        ExplorerError: The explorer cannot be made or cannot go on.
        GridError: A grid cannot be read.
        SandboxUnavailable: The sandbox backend does not work here.
        InfrastructureError: The host failed during an evaluation.
    """
    folder = RunFolder(path)
    _check_vacant(folder)
    pinned = pin(with_default_caps(settings, observer.say))
    shared_secret = None if secret is None else load_secret(secret)
    for line in grid_warnings(settings.grids, settings.heldout):
        observer.say(line)
    path.mkdir(parents=True, exist_ok=True)
    with lock_run(path):
        # Again under the lock: another process may have started a run here since.
        _check_vacant(folder)
        save_settings(folder, pinned, observer)
        if shared_secret is not None:
            write_text(folder.secret, f"{shared_secret.hex()}\n")
        return _run(folder, pinned.settings, jobs, executor, observer, on_pause, calls)


def save_settings(folder: RunFolder, pinned: Pinned, observer: RunObserver) -> None:
    """Write `run.toml` of a new run, and record that this user owns it. The folder has to be locked."""
    problem = record_ownership(folder, pinned.text().encode())
    if problem is not None:
        observer.say(f"that this run is yours cannot be noted ({problem}): --resume may ask for some options again")
    pinned.save(folder.settings)


def _check_vacant(folder: RunFolder) -> None:
    if folder.settings.exists():
        path = folder.path
        raise RunError(f"{path} holds a run already; go on with it by --resume {path}, or give another --out")


def grid_warnings(search: Sequence[str], heldout: Sequence[str]) -> Iterator[str]:
    """Yield a line for each reason not to search on these grids or not to use the held-out ones. Raises GridError."""
    grids = {path: Grid.load(path) for path in (*search, *heldout)}
    for path, grid in grids.items():
        yield from (
            f"{path} is not fit to be searched on: {reason}" for _, reason in unfit_reasons(GridStatistics(grid))
        )
    yield from set_differences([grids[path] for path in search], [grids[path] for path in heldout])


def resume(
    path: Path,
    given: Mapping[str, Any],
    *,
    jobs: int,
    executor: str = "local",
    observer: RunObserver,
    on_pause: PauseHandler = stay_paused,
    calls: ModelCallSettings = ModelCallSettings(),  # noqa: B008  (frozen)
) -> dict[str, Any]:
    """Resume the run in the folder `path` and carry it to its end.

    Args:
        path: Folder of the run.
        given: Settings that the user gave, by name; they must equal those of the run. `approve` among them approves
            the execution that the run waits for. `rounds` may differ, and the run goes on with it, a finished one too;
            rounds that have begun stay.
        jobs: Number of processes that evaluate.
        executor: Where episodes are played, which need not be where the run began.
        observer: Observer of messages, progress and nodes.
        on_pause: Called at each interrupt; returns whether the run may go on now.
        calls: Settings of model calls, which do not affect what a run pins.

    Returns:
        As `start`.

    Raises:
        RunError: Something that the results depend on has changed, or the run was started by another user and
            contains settings that this user has not confirmed (`graph.run.ownership`).
        Exception: As `start`.
    """
    folder = RunFolder(path)
    # Before the lock, which makes a file: the folder may hold no run, or links.
    Pinned.load(folder.settings)
    with lock_run(path):
        pinned = Pinned.load(folder.settings)
        # Validated as the settings of a new run are: a price may be given as text.
        validated = pinned.settings.replace(**given)
        given = {name: getattr(validated, name) for name in given}
        check_confirmed(folder, pinned.settings, given)
        wanted = {name: value for name, value in given.items() if (name, value) != ("sandbox", "auto")}
        resumed = replace(pinned, settings=pinned.settings.replace(rounds=validated.rounds))
        resumed.check_same(pin(with_default_caps(pinned.settings.replace(**wanted), lambda text: None)))
        if not is_own(folder):
            record_ownership(folder, read_bytes(folder.settings))
        if resumed.settings.rounds != pinned.settings.rounds:
            check_rounds(folder, resumed.settings)
            record_ownership(folder, read_bytes(folder.settings), resumed.text().encode())
            resumed.save(folder.settings)
        return _run(
            folder, resumed.settings, jobs, executor, observer, on_pause, calls, approved=bool(given.get("approve"))
        )


@contextmanager
def _accounted(folder: RunFolder) -> Iterator[None]:
    """Record the start and the end of this process's work on a run, and write its totals at both.

    At the start because the process before may have been killed; at the end because a node may have been stopped.
    """
    transcript = Transcript(folder.round(0).transcript)
    transcript.record(SESSION)
    write_totals(folder)
    try:
        yield
    finally:
        # Not in place of the error that ends the run, as where the disk is full.
        with suppress(OSError):
            transcript.record(SESSION_END)
            write_totals(folder)


def make_run_explorer(context: ExplorerContext) -> Explorer:
    """Return the explorer of a run: the one it names, or several and a critic combined into one.

    Raises:
        ExplorerError: An explorer cannot be made.
        RunError: An explorer is given twice.
    """
    settings = context.settings
    repeated = sorted({spec for spec in settings.explorers if settings.explorers.count(spec) > 1})
    if repeated:
        raise RunError(f"--explorer {repeated[0]} is given twice; two of one kind must differ in something")
    critic = make_explorer(settings.critic, context) if settings.critic else None
    historian = make_explorer(settings.historian, context) if settings.historian else None
    explorers = {spec: make_explorer(spec, context) for spec in settings.explorers}
    return compose(explorers, critic, historian, allocate=settings.allocate)


def pin(settings: RunSettings) -> Pinned:
    """Check settings as far as possible before a run, and return what `run.toml` pins.

    Raises:
        RunError: A setting cannot be used.
        ExplorerError: An explorer cannot be made.
        GridError: A grid cannot be read.
        SandboxUnavailable: The sandbox backend does not work here.
    """
    if settings.checkpoints != SETTINGS["checkpoints"].default:
        check_url(settings.checkpoints)
    check_explorers(settings)
    explorer = make_run_explorer(ExplorerContext(settings))
    hashes = grid_hashes(settings)
    backend = make_backend(settings.sandbox)
    versions = package_versions()
    # Their values go to the explorer, so that the candidates depend on them.
    versions |= {f"measurement {name}": str(MEASUREMENTS.origin(name)) for name in MEASUREMENTS.registered()}
    pinned = Pinned(settings.replace(sandbox=backend.name), hashes, dict(explorer.identity()), versions)
    explorer.check_run(pinned)
    return pinned


def _run(
    folder: RunFolder,
    settings: RunSettings,
    jobs: int,
    executor: str,
    observer: RunObserver,
    on_pause: PauseHandler,
    calls: ModelCallSettings,
    *,
    approved: bool = False,
) -> dict[str, Any]:
    for partial in folder.path.rglob(".*.tmp"):
        # Temporary files of a killed process; the lock excludes other writers.
        partial.unlink(missing_ok=True)
    with CountingEvaluator(
        settings.evaluation(load_secret(folder.secret)), sandbox=settings.sandbox, jobs=jobs, executor=executor
    ) as evaluator:
        observer.say(f"sandbox: {evaluator.backend.name}")
        with _accounted(folder):
            explorer = make_run_explorer(ExplorerContext(settings, calls, evaluator, observer.say))
            context = Context(settings, folder, evaluator, explorer, observer)
            pause = run(context, on_pause, approved=approved)
    if pause is not None:
        raise RunPaused(pause, folder.path)
    with observer.progress("report", "rounds") as progress:
        write_report(folder, progress)
    result: dict[str, Any] = read_json(folder.result)
    return {**result, "accounting": read_json(folder.accounting)["total"]}
