"""`autotts sandbox`: builds the docker backend's image, and checks the sandboxes and their defences by attacks."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.backends.base import SandboxUnavailable
from sandbox.backends.choose import AUTOMATIC, BACKENDS, cold_backend

if TYPE_CHECKING:
    from sandbox.conformance.run import CaseOutcome


@click.group("sandbox")
def sandbox_group() -> None:
    """Build and check the sandboxes that controllers run in."""


@sandbox_group.command("build")
@click.option("--base", default="python:3.13-slim", show_default=True, help="Image to take Python from.")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with wheels of greenlet, numpy and scipy for the base's Python; downloaded by default.",
)
def build_command(base: str, wheels: Path | None) -> None:
    """Build the image of the docker backend, and record its digest.

    The engine is the one that DOCKER_HOST names. Only the recorded image is run; each version of autotts needs its
    own. With --wheels and a base that the engine has, nothing is downloaded.
    """
    from sandbox.backends import docker, image

    try:
        record = image.build(docker.connect(), base, wheels)
    except image.BuildError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{record.image}\nPython {record.python} of {record.base}, {record.size / 1e6:.0f} MB")


@sandbox_group.command("check")
@click.option(
    "--sandbox",
    "names",
    multiple=True,
    metavar="NAME",
    help="Backend to check, also one of another package; may be given several times. By default docker and bubblewrap "
    "where they work.",
)
@click.option(
    "--case", "wanted", multiple=True, help="Run only the cases whose name contains this, or whose group this is."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per case instead of the table.")
def check_command(names: Sequence[str], wanted: Sequence[str], as_json: bool) -> None:
    """Print which sandboxes work here, and check their guarantees by attacks.

    Each case runs a hostile controller, which has to end with the right status, and then an honest one, which has to
    score as it does alone. The exit status is 0 if every case passed, and 1 if one failed or a backend does not work.
    """
    for name in names:
        BACKENDS.check(name)
    reasons = {name: _why_not(name) for name in BACKENDS.names()}
    if not as_json:
        for name, reason in reasons.items():
            works = f"works; {cold_backend(name).limits_are()}" if reason is None else ""
            click.echo(f"{name:<12} {works or 'does not work: ' + str(reason).splitlines()[0]}")
    chosen = names or [name for name in AUTOMATIC if reasons[name] is None]
    broken = [name for name in chosen if reasons[name] is not None]
    if broken or not chosen:
        raise click.ClickException("\n".join(str(reasons[name]) for name in broken or AUTOMATIC))
    outcomes = {name: _run_cases(name, wanted, as_json) for name in chosen}
    if not as_json:
        _print_table(outcomes)
    if not all(outcome.passed for of_backend in outcomes.values() for outcome in of_backend):
        raise click.exceptions.Exit(1)


@sandbox_group.command("prove")
@click.option(
    "--sandbox",
    "names",
    multiple=True,
    type=click.Choice(AUTOMATIC),
    help="Backend whose defences are switched off one by one; by default both where they work.",
)
@click.option("--defence", "wanted", multiple=True, help="Prove only the defences of this name.")
@click.option("--record", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to a file.")
def prove_command(names: Sequence[str], wanted: Sequence[str], path: Path | None) -> None:
    """Show that each defence is needed: with it a case passes, with it switched off the case fails.

    The exit status is 0 if every defence was proven.
    """
    from envdata.atomic import write_text
    from sandbox.conformance.proofs import CANARY, PROOFS, prove, record
    from sandbox.conformance.targets import make_targets

    reasons = {name: _why_not(name) for name in names or AUTOMATIC}
    chosen = [name for name, reason in reasons.items() if reason is None]
    if not chosen or (names and len(chosen) < len(names)):
        raise click.ClickException("\n".join(filter(None, reasons.values())))
    proofs = [one for one in PROOFS if one.sandbox in chosen and (not wanted or one.defence in wanted)]
    if not proofs:
        known = ", ".join(sorted({one.defence for one in PROOFS}))
        raise click.ClickException(f"no defence is called {' or '.join(wanted)}; there are {known}")
    results = []
    os.environ[CANARY[0]] = CANARY[1]
    with make_targets() as targets:
        for proof in proofs:
            result = prove(proof, targets)
            results.append(result)
            verdict = "proven" if result.holds else f"NOT PROVEN ({result.with_it or 'the case passes without it'})"
            click.echo(f"{proof.sandbox:<10} {proof.is_:<40} {verdict}")
    if path is not None:
        write_text(path, record(results))
    if not all(result.holds for result in results):
        raise click.exceptions.Exit(1)


def _why_not(name: str) -> str | None:
    """Return the reason why a backend does not work here, or cannot be made; None if it works."""
    try:
        return cold_backend(name).why_not()
    except SandboxUnavailable as reason:
        return str(reason)


def _run_cases(name: str, wanted: Sequence[str], as_json: bool) -> "list[CaseOutcome]":
    """Return the outcomes of a backend's cases; with `as_json` each is printed as it ends."""
    from sandbox.conformance.run import CaseOutcome, Suite, cases_for
    from sandbox.conformance.targets import make_targets
    from sandbox.host import InfrastructureError

    chosen = [
        case
        for case in cases_for(name)
        if not wanted or any(word in case.name or word == case.group for word in wanted)
    ]
    outcomes = []
    on_terminal = sys.stderr.isatty()
    backend = cold_backend(name)
    with make_targets() as targets:
        suite = Suite(backend, targets)
        for number, case in enumerate(chosen, 1):
            if on_terminal:
                click.echo(f"\r{name}: {number}/{len(chosen)} {case.name:<60.60}", nl=False, err=True)
            try:
                outcome = suite.run(case)
            except InfrastructureError as error:
                outcome = CaseOutcome(case, False, f"infrastructure_error: {error}")
            outcomes.append(outcome)
            if as_json:
                row = {"sandbox": name, "group": case.group, "case": case.name, "passed": outcome.passed}
                click.echo(json.dumps(row | {"why": outcome.why}))
    if on_terminal:
        click.echo("\r" + " " * 100 + "\r", nl=False, err=True)
    backend.close()
    return outcomes


def _print_table(outcomes: "dict[str, list[CaseOutcome]]") -> None:
    """Print guarantees × backends, and the cases that failed."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sandbox.conformance.case import GUARANTEES

    table = Table("guarantee", *outcomes)
    for group, guarantee in GUARANTEES.items():
        cells = []
        for of_backend in outcomes.values():
            own = [outcome for outcome in of_backend if outcome.case.group == group]
            passed = sum(outcome.passed for outcome in own)
            verdict = "not tried" if not own else "proven" if passed == len(own) else "NOT PROVEN"
            cells.append(f"{verdict} ({passed}/{len(own)})")
        table.add_row(guarantee, *cells)
    console = Console()
    console.print(table)
    for name, of_backend in outcomes.items():
        for outcome in of_backend:
            if not outcome.passed:
                console.print(f"{name}: {outcome.case.group}: {outcome.case.name}: {escape(outcome.why)}")
