"""How a command brings a run on: to its end, or to where it stops for somebody."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from graph.explorers.base import ExplorerError
from graph.pausing import Pause, Person, Waiting
from sandbox.host import InfrastructureError

WAITING = 3
"""The exit code of a run that stopped for somebody: neither done nor failed."""
LOOK_EVERY = 0.5
"""Seconds between two looks at a folder that is waited for."""


def carry_out(step: Callable[[Person], dict[str, Any]], folder: Path, *, wait: bool, as_json: bool) -> None:
    """Take a step of `graph.discovery`, and print what came of it.

    What stops a run is told with how to go on: nothing is lost by it.
    """
    try:
        result = step(person(wait=wait))
    except Waiting as waiting:
        click.echo(waiting, err=True)
        raise SystemExit(WAITING) from None
    except ExplorerError as error:
        begun = (folder / "run.toml").exists()
        how = f"; once that is mended: autotts discover --resume {folder}" if begun else ""
        raise click.ClickException(f"{error}{how}") from error
    except InfrastructureError as error:
        raise click.ClickException(f"{error}; once that is mended: autotts discover --resume {folder}") from error
    except KeyboardInterrupt:
        raise click.ClickException(f"stopped; go on with: autotts discover --resume {folder}") from None
    if as_json:
        click.echo(json.dumps({"event": "result", **result}, ensure_ascii=False))
    else:
        from graph.cli.summary import print_summary

        print_summary(result, folder, sys.stdout)


def person(*, wait: bool) -> Person:
    """Somebody at the terminal, if there is one, approves; a folder is watched if the process is to wait."""

    def asked(pause: Pause) -> bool:
        if pause.waits_for == "approval" and sys.stdin.isatty() and sys.stderr.isatty():
            labels = ", ".join(pause.said["labels"])
            return click.confirm(f"execute {labels} (see {pause.said['folder']})?", default=True, err=True)
        if pause.waits_for == "controller" and wait:
            click.echo(f"waiting: {pause.said['folder']}/brief.md says what is asked", err=True)
            _watch(Path(pause.said["folder"]), pause.said.get("problem"))
            return True
        return False

    return asked


def _watch(folder: Path, problem: str | None) -> None:
    """Return once a controller lies there that did not change between two looks: it may be in the middle of writing."""
    from graph.explorers.dropbox import Submission, Unreadable, look

    before: Submission | str | None = None
    while True:
        found: Submission | str | None
        try:
            found = look(folder)
        except Unreadable as error:
            # The same complaint again would only stop the graph again.
            found = None
            if str(error) != problem:
                problem = str(error)
                click.echo(f"waiting: {problem}", err=True)
        if found is not None and found == before:
            return
        before = found
        time.sleep(LOOK_EVERY)
