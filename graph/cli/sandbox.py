"""`autotts sandbox build` makes the image of the docker backend; `autotts sandbox check` proves what holds here."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.backends.choose import BACKENDS, limits_are, why_not

if TYPE_CHECKING:
    from sandbox.conformance.run import Outcome


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

    The engine is the one that DOCKER_HOST names. Only the recorded image is ever run; a new version of autotts needs
    another one. With --wheels and a base that the engine has, nothing is downloaded.
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
    type=click.Choice(list(BACKENDS)),
    help="Backend to check; may be given several times. By default docker and bubblewrap where they work.",
)
@click.option("--case", "wanted", multiple=True, help="Run the cases alone whose name or group has this in it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a case instead of the table.")
def check_command(names: Sequence[str], wanted: Sequence[str], as_json: bool) -> None:
    """Say which sandboxes work here, and prove what they promise by attacking them.

    Every case is a hostile controller that has to end in the right way, after which an honest one has to score as it
    does alone. The exit status is 0 if every case passed, and 1 if one failed or no backend that was asked for works.
    """
    reasons = {name: why_not(name) for name in BACKENDS}
    if not as_json:
        for name, reason in reasons.items():
            said = f"works; {limits_are(name)}" if reason is None else "does not work: " + reason.splitlines()[0]
            click.echo(f"{name:<12} {said}")
    asked = names or [name for name in ("docker", "bubblewrap") if reasons[name] is None]
    broken = [name for name in asked if reasons[name] is not None]
    if broken or not asked:
        raise click.ClickException("\n".join(str(reasons[name]) for name in broken or ("docker", "bubblewrap")))
    outcomes = {name: _attack(name, wanted, as_json) for name in asked}
    if not as_json:
        _print_table(outcomes)
    if not all(outcome.passed for of_one in outcomes.values() for outcome in of_one):
        raise click.exceptions.Exit(1)


@sandbox_group.command("prove")
@click.option(
    "--sandbox",
    "names",
    multiple=True,
    type=click.Choice(["docker", "bubblewrap"]),
    help="Backend whose defences are switched off, one after another; by default both where they work.",
)
@click.option("--defence", "wanted", multiple=True, help="Prove the defences of this name alone.")
@click.option("--record", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to a file.")
def prove_command(names: Sequence[str], wanted: Sequence[str], path: Path | None) -> None:
    """Show what each defence is good for: with it a case passes, with it switched off the case fails.

    The exit status is 0 if every defence was proven.
    """
    from envdata.atomic import write_text
    from sandbox.conformance.proofs import CANARY, PROOFS, prove, record
    from sandbox.conformance.targets import world

    reasons = {name: why_not(name) for name in names or ("docker", "bubblewrap")}
    chosen = [name for name, reason in reasons.items() if reason is None]
    if not chosen or (names and len(chosen) < len(names)):
        raise click.ClickException("\n".join(filter(None, reasons.values())))
    proofs = [one for one in PROOFS if one.sandbox in chosen and (not wanted or one.defence in wanted)]
    if not proofs:
        known = ", ".join(sorted({one.defence for one in PROOFS}))
        raise click.ClickException(f"no defence is called {' or '.join(wanted)}; there are {known}")
    proven = []
    os.environ[CANARY[0]] = CANARY[1]
    with world() as targets:
        for proof in proofs:
            one = prove(proof, targets)
            proven.append(one)
            said = "proven" if one.holds else f"NOT PROVEN ({one.with_it or 'the case passes without it'})"
            click.echo(f"{proof.sandbox:<10} {proof.is_:<40} {said}")
    if path is not None:
        write_text(path, record(proven))
    if not all(one.holds for one in proven):
        raise click.exceptions.Exit(1)


def _attack(name: str, wanted: Sequence[str], as_json: bool) -> "list[Outcome]":
    from sandbox.conformance.run import Outcome, Suite, everything
    from sandbox.conformance.targets import world
    from sandbox.host import InfrastructureError

    chosen = [
        case
        for case in everything(name)
        if not wanted or any(word in case.name or word == case.group for word in wanted)
    ]
    outcomes = []
    watched = sys.stderr.isatty()
    backend = BACKENDS[name]()
    with world() as targets:
        suite = Suite(backend, targets)
        for number, case in enumerate(chosen, 1):
            if watched:
                click.echo(f"\r{name}: {number}/{len(chosen)} {case.name:<60.60}", nl=False, err=True)
            try:
                outcome = suite.run(case)
            except InfrastructureError as error:
                outcome = Outcome(case, False, f"infrastructure_error: {error}")
            outcomes.append(outcome)
            if as_json:
                said = {"sandbox": name, "group": case.group, "case": case.name, "passed": outcome.passed}
                click.echo(json.dumps(said | {"why": outcome.why}))
    if watched:
        click.echo("\r" + " " * 100 + "\r", nl=False, err=True)
    backend.close()
    return outcomes


def _print_table(outcomes: "dict[str, list[Outcome]]") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sandbox.conformance.case import GUARANTEES

    table = Table("guarantee", *outcomes)
    for group, guarantee in GUARANTEES.items():
        cells = []
        for of_one in outcomes.values():
            own = [outcome for outcome in of_one if outcome.case.group == group]
            passed = sum(outcome.passed for outcome in own)
            said = "not tried" if not own else "proven" if passed == len(own) else "NOT PROVEN"
            cells.append(f"{said} ({passed}/{len(own)})")
        table.add_row(guarantee, *cells)
    console = Console()
    console.print(table)
    for name, of_one in outcomes.items():
        for outcome in of_one:
            if not outcome.passed:
                console.print(f"{name}: {outcome.case.group}: {outcome.case.name}: {escape(outcome.why)}")
