"""`autotts grid verify`: whether a grid is fit to be searched on, and what it comes to."""

import json
from pathlib import Path
from typing import Any

import click

from envdata.grid import GridError
from envdata.scoring import Interval
from envdata.verification import Verified, verify


@click.command("verify")
@click.argument("grids", nargs=-1, required=True, metavar="GRID...")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path),
              help="Draw accuracy by depth, lengths and agreement here (.png or .svg); for one grid.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a grid.")
def verify_command(grids: tuple[str, ...], picture: Path | None, as_json: bool) -> None:
    """Check grids: their format, counts, probes and draws, and what accuracy they allow.

    Ends with status 1 if something that must hold does not. Intervals are 95 % over questions.
    """
    if picture is not None and len(grids) > 1:
        raise click.UsageError("--picture draws one grid; call it once for each")
    fit = True
    for path in grids:
        try:
            verified = verify(path)
        except GridError as error:
            fit = False
            _print_broken(path, error, as_json=as_json)
            continue
        fit &= verified.holds
        if picture is not None:
            _draw(verified, picture)
        if as_json:
            click.echo(json.dumps(as_object(verified), ensure_ascii=False))
        else:
            _print(verified)
    if not fit:
        raise SystemExit(1)


def _draw(verified: Verified, picture: Path) -> None:
    from graph.gridpicture import draw_grid

    try:
        draw_grid(verified.survey, picture)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def as_object(verified: Verified) -> dict[str, Any]:
    """What is printed with --json; accuracies in percent, with their interval."""
    survey = verified.survey
    agree, both = survey.last_probe_agrees
    return {
        "grid": survey.grid.name,
        "holds": verified.holds,
        "content_hash": survey.grid.content_hash,
        "questions": len(survey.grid.questions),
        "branches": len(survey.question),
        "interval": survey.grid.interval,
        "tokens": int(survey.grid.arrays.tokens.sum()),
        "single_branch_accuracy": _percent(survey.single),
        "majority_accuracy": _percent(survey.majority),
        "oracle_accuracy": _percent(survey.oracle),
        "last_probe_agrees": agree / both if both else None,
        "checks": [
            {"name": check.name, "holds": check.holds, "must": check.must, "found": check.found}
            for check in verified.checks
        ],
    }


def _percent(figure: Interval) -> list[float]:
    return [round(100 * each, 4) for each in (figure.value, figure.low, figure.high)]


def _print_broken(path: str, error: GridError, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"grid": path, "holds": False, "error": str(error)}, ensure_ascii=False))
    else:
        click.echo(f"{path}\n  fault   {error}\n")


def _print(verified: Verified) -> None:
    survey = verified.survey
    click.echo(survey.grid.name)
    for check in verified.checks:
        mark = "holds" if check.holds else "fault" if check.must else "remark"
        click.echo(f"  {mark:<7} {check.name}: {check.found}")
    figures = (("one branch", survey.single), ("majority", survey.majority), ("some branch", survey.oracle))
    for name, figure in figures:
        click.echo(
            f"  {name + ' right':<18} {100 * figure.value:5.1f} % ({100 * figure.low:.1f} … {100 * figure.high:.1f})"
        )
    click.echo("  fit to be searched on\n" if verified.holds else "  NOT fit to be searched on\n")
