"""`autotts doctor`: prints what works on this machine, and what to do about the rest."""

import re
import shutil
import sys
import textwrap

import click

from graph.cli.doctor_checks import Check, Status, checks

MARKS: dict[Status, str] = {"ok": "ok", "optional": "-", "problem": "!", "missing": "FAIL"}
COLOURS: dict[Status, str] = {"ok": "green", "optional": "", "problem": "yellow", "missing": "red"}
MARGIN = 24
"""Columns of the mark and the name."""
NARROWEST, WIDEST = 60, 120
"""Columns of the printed lines, within which they follow the terminal's."""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead of the list.")
def doctor_command(as_json: bool) -> None:
    """Print what works on this machine: Python, sandboxes, keys, engines, disk, extras; and what to do.

    Of keys only the names of their variables are printed. Nothing is asked of any service. The exit status is 0 if a
    controller can be discovered and evaluated here, as `autotts discover` does, and 1 if something for that is missing;
    its line is marked FAIL. Marked - is what is optional, marked ! what is set and cannot be used.
    """
    from graph.cli.foreign_text import echo_json

    found = []
    columns = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    for check in checks():
        found.append(check)
        if as_json:
            echo_json(check.as_object())
        else:
            _print(check, min(max(columns, NARROWEST), WIDEST))
    missing = [check.name for check in found if check.status == "missing"]
    if not as_json:
        click.echo()
        click.echo(
            f"missing for autotts discover: {', '.join(missing)}" if missing else "autotts discover can run here"
        )
    if missing:
        raise click.exceptions.Exit(1)


def _print(check: Check, width: int) -> None:
    """Print a check: mark, name, what was found and what to do."""
    from sandbox.sanitize import printable

    mark = click.style(f"{MARKS[check.status]:<5}", fg=COLOURS[check.status] or None)
    text = printable("; ".join(part for part in (check.found, check.remedy) if part))
    first, *rest = _wrapped(text, width - MARGIN)
    click.echo(f"{mark}{check.name:<{MARGIN - 5}}{first}")
    for line in rest:
        click.echo(" " * MARGIN + line)


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text, of at most `width` characters where no command and no longer word is in them."""
    whole = re.sub(r"`[^`\n]*`", lambda found: found[0].replace(" ", "\0"), text)
    lines: list[str] = []
    for part in whole.splitlines():
        # A diagnosis indents its commands, which are for copying.
        lines += (
            [part] if part[:1] == " " else textwrap.wrap(part, width, break_long_words=False, break_on_hyphens=False)
        )
    return [line.replace("\0", " ") for line in lines] or [""]
