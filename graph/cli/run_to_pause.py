"""Running a discovery run from a command until it ends or pauses."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from envdata import interrupts
from graph.cli.errors import Interrupted, click_error
from graph.cli.foreign_text import echo, echo_json, print_rich
from graph.explorers.base import ExplorerError
from graph.loop.checkpoints import CheckpointError
from graph.loop.interrupts import PauseHandler, RunInterrupt, RunPaused
from graph.run.ownership import describe_choices, unconfirmed_settings
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from sandbox.host import InfrastructureError
from sandbox.sanitize import printable

WAITING = 3
"""Exit code of a command whose run is paused: neither complete nor failed."""
SUMMARY_COLUMNS = 120
"""Width of a run's summary where standard output is not a terminal."""
POLL_SECONDS = 0.5
"""Seconds between two looks at a folder in which a controller is expected."""


def run_until_pause(run: Callable[[PauseHandler], dict[str, Any]], folder: Path, *, wait: bool, as_json: bool) -> None:
    """Start or resume a run, and print its result.

    Args:
        run: Calls `start` or `resume` of `graph.loop.discovery` with a pause handler, and returns their result.
        folder: The run's folder.
        wait: Wait at a pause until a controller is in its folder.
        as_json: Print the result as a JSON line instead of tables.

    Raises:
        SystemExit: with `WAITING`, if the run is paused.
        click.ClickException: an error that a user can correct, or an interruption; the text says how to resume.
    """
    stopped = f"stopped; go on with: autotts discover --resume {folder}"
    interrupts.set_message(stopped)
    try:
        result = run(make_pause_handler(wait=wait))
    except RunPaused as paused:
        echo(paused, err=True)
        raise SystemExit(WAITING) from None
    except (ExplorerError, InfrastructureError, CheckpointError, OSError) as error:
        if interrupts.received():
            raise KeyboardInterrupt from error
        started = (folder / "run.toml").exists()
        advice = f"; once that is mended: autotts discover --resume {folder}" if started else ""
        if (converted := click_error(error, advice)) is None:
            raise
        raise converted from error
    except KeyboardInterrupt:
        raise Interrupted(stopped if (folder / "run.toml").exists() else "stopped before the run began") from None
    if as_json:
        echo_json({"event": "result", **result})
    else:
        from graph.report.run_summary import summary

        print_rich(*summary(result, folder), columns=SUMMARY_COLUMNS)


def confirm_settings(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings `given` for a resume, and those of another user's run that the user confirms.

    Asks only where standard input and standard error are terminals; otherwise `graph.run.ownership.check_confirmed`
    refuses the run later. Raises RunError if `run.toml` cannot be read.
    """
    run = RunFolder(folder)
    unconfirmed = unconfirmed_settings(run, Pinned.load(run.settings).settings, given)
    if not (unconfirmed and sys.stdin.isatty() and sys.stderr.isatty()):
        return dict(given)
    confirmed = click.confirm(f"{describe_choices(run, unconfirmed)}. Go on with that?", default=False, err=True)
    return {**given, **unconfirmed} if confirmed else dict(given)


def make_pause_handler(*, wait: bool) -> PauseHandler:
    """Return a pause handler that asks for approval on a terminal and, with `wait`, waits for a controller."""

    def handle(pause: RunInterrupt) -> bool:
        if pause.waits_for == "approval" and sys.stdin.isatty() and sys.stderr.isatty():
            labels = ", ".join(pause.payload["labels"])
            question = printable(f"execute {labels} (see {pause.payload['folder']})?")
            return click.confirm(question, default=True, err=True)
        if pause.waits_for == "controller" and wait:
            echo(f"waiting: {pause.payload['folder']}/brief.md has the task", err=True)
            _wait_for_submission(Path(pause.payload["folder"]), pause.payload.get("problem"))
            return True
        return False

    return handle


def _wait_for_submission(folder: Path, problem: str | None) -> None:
    """Return once `folder` holds a submission that two successive looks find alike, so that it is written whole.

    `problem` is the error of the previous submission, or None.
    """
    from graph.explorers.submissions import Submission, SubmissionError, read_submission

    previous: Submission | str | None = None
    while True:
        found: Submission | str | None
        try:
            found = read_submission(folder)
        except SubmissionError as error:
            # The run would only pause again with the same problem.
            found = None
            if str(error) != problem:
                problem = str(error)
                echo(f"waiting: {problem}", err=True)
        if found is not None and found == previous:
            return
        previous = found
        time.sleep(POLL_SECONDS)
