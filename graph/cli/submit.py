"""`autotts submit`: gives a paused run the controller that it waits for, and continues it."""

from pathlib import Path

import click

from graph.cli.options import executor_option


@click.command("submit")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.argument("files", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True, metavar="FILE…")
@click.option("--idea", default="", metavar="TEXT", help="What is new about a single FILE; else its docstring.")
@click.option("--jobs", type=click.IntRange(1), default=None, help="As in discover.  [default: cores]")
@executor_option
@click.option("--wait", is_flag=True, help="Wait for the next controller instead of ending.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of tables.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def submit_command(
    run: Path,
    files: tuple[Path, ...],
    idea: str,
    jobs: int | None,
    executor: str,
    wait: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put FILE into the folder where RUN waits for a controller (explorer folder:PATH), and continue the run.

    With several files the round gets several candidates. The exit code is 3 if the run pauses again.
    """
    import os

    from graph.cli.console import ConsoleObserver
    from graph.cli.run_to_pause import confirm_settings, run_until_pause
    from graph.loop import discovery
    from graph.loop.run_lock import RunBusy
    from graph.loop.submission import submit_files
    from graph.run.paths import RunFolder

    given = confirm_settings(run, {})
    submit_files(run, files, idea, given)
    observer = ConsoleObserver(RunFolder(run), quiet=quiet, as_json=False)
    jobs = jobs or os.cpu_count() or 1
    try:
        run_until_pause(
            lambda on_pause: discovery.resume(
                run, given, jobs=jobs, executor=executor, observer=observer, on_pause=on_pause
            ),
            run, wait=wait, as_json=as_json,
        )  # fmt: skip
    except RunBusy:
        click.echo("the process that waits for it goes on", err=True)
