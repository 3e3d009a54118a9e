"""`autotts discover`: searches for a controller over replay grids."""

import os
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from graph.cli.config_file import FROM_VARIABLES
from graph.cli.console import console_observer
from graph.cli.options import executor_option, secret_option
from graph.cli.run_to_pause import confirm_settings, run_until_pause
from graph.cli.setting_options import setting_options
from graph.loop.interrupts import PauseHandler
from graph.run.bundled import grids_or_bundled
from graph.run.files import RunError
from graph.run.mlflow import MirrorSettings
from graph.run.observers import ObserverGroup, RunObserver
from graph.run.paths import RunFolder, new_run_folder
from graph.run.settings import ModelCallSettings, RunSettings


@click.command("discover")
@setting_options(RunSettings, ModelCallSettings, MirrorSettings)
@secret_option
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores")
@executor_option
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="The run's folder.  [default: runs/<time>]"
)
@click.option("--resume", "resumed", type=click.Path(path_type=Path, file_okay=False), metavar="RUN",
              help="Continue the run in this folder.")  # fmt: skip
@click.option("--wait", is_flag=True, help="At a pause, wait for a controller instead of ending.")
@click.option("--json", "as_json", is_flag=True,
              help="Print events as JSON lines, the result last; with --quiet the result alone.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_context
def discover_command(
    context: click.Context,
    /,
    jobs: int,
    executor: str,
    out: Path | None,
    resumed: Path | None,
    wait: bool,
    as_json: bool,
    quiet: bool,
    secret: Path | None,
    **given: Any,
) -> None:
    """Search for a controller in rounds: propose, evaluate in the sandbox, criticise, archive.

    No model is called unless the explorer is one. The best controller of all rounds is selected, and evaluated once on
    the held-out grid together with the baselines. A run that was stopped, in any way, continues with --resume; with
    --rounds, a finished one goes on to more rounds. The exit code is 3 if it paused for approval or for a controller; a
    message says which.
    """
    from graph.loop import discovery

    calls = ModelCallSettings(**ModelCallSettings.values_in(given))
    mirror = MirrorSettings(**MirrorSettings.values_in(given))
    given = RunSettings.values_in(given)
    if resumed is not None and out is not None:
        raise click.UsageError("--resume says which folder; leave --out away")
    if resumed is not None and secret is not None:
        raise click.UsageError("--resume uses the run's own secret; leave --secret away")
    changed = confirm_settings(resumed, _settings_for_resume(context, given)) if resumed is not None else {}
    settings = None
    if resumed is None:
        try:
            given["grids"], given["heldout"] = grids_or_bundled(given["grids"], given["heldout"])
        except RunError as error:
            raise click.UsageError(str(error)) from None
        settings = RunSettings(**given)

    def run_observed(folder: Path, observer: RunObserver, on_pause: PauseHandler) -> dict[str, Any]:
        if settings is None:
            return discovery.resume(
                folder, changed, jobs=jobs, executor=executor, observer=observer, on_pause=on_pause, calls=calls
            )
        observer.say(f"the run is in {folder}")
        return discovery.start(
            folder, settings, jobs=jobs, executor=executor, observer=observer, on_pause=on_pause, calls=calls,
            secret=secret,
        )  # fmt: skip

    def run(folder: Path, on_pause: PauseHandler) -> dict[str, Any]:
        with console_observer(RunFolder(folder), quiet=quiet, as_json=as_json) as (observer, wrap):
            tracker = mirror.tracker(RunFolder(folder), observer.say)
            if tracker is None:
                return run_observed(folder, observer, wrap(on_pause))
            complete = False
            try:
                result = run_observed(folder, ObserverGroup(observer, [tracker]), wrap(on_pause))
                complete = True
                return result
            finally:
                tracker.close(complete=complete)

    given_folder = resumed or out
    place: AbstractContextManager[Path] = (
        new_run_folder(Path("runs")) if given_folder is None else nullcontext(given_folder)
    )
    with place as folder:
        run_until_pause(partial(run, folder), folder, wait=wait, as_json=as_json)


def _settings_for_resume(context: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that flags and variables give.

    The configuration file is left out: it is for new runs, and a resumed one keeps the settings in its `run.toml`.
    """
    variables = context.meta.get(FROM_VARIABLES, set())
    from_flags = {name for name in given if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    return {name: given[name] for name in from_flags | {name for name in given if name in variables}}
