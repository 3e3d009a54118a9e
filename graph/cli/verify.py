"""`autotts grid verify`: checks a grid, prints its figures, and says whether it can be searched on."""

from pathlib import Path
from typing import Any

import click

from envdata.grid import Grid, GridError
from envdata.grid_suitability import set_differences
from envdata.intervals import Interval
from envdata.printable import escaped
from envdata.verification import GridVerification, verify
from graph.cli.foreign_text import echo_json


@click.command("verify")
@click.argument("grids", nargs=-1, required=True, metavar="GRID...")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path),
              help="Draw accuracy by depth, lengths and agreement here (.png or .svg); for one grid.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per grid.")
def verify_command(grids: tuple[str, ...], picture: Path | None, as_json: bool) -> None:
    """Check grids: their format, counts, probes and draws, and the accuracy that they allow.

    Ends with status 1 if a required check fails, or if no search can learn from a grid. Intervals are 95 % over
    questions. For several grids, differences from the first grid are printed too.
    """
    if picture is not None and len(grids) > 1:
        raise click.UsageError("--picture draws one grid; call it once for each")
    fit = True
    loaded: list[Grid] = []
    for path in grids:
        try:
            verified = verify(path)
        except GridError as error:
            fit = False
            _print_broken(path, error, as_json=as_json)
            continue
        fit &= verified.fit
        loaded.append(verified.statistics.grid)
        if picture is not None:
            _draw(verified, picture)
        if as_json:
            echo_json(as_object(verified))
        else:
            _print(verified)
    for other in loaded[1:]:
        for difference in set_differences(loaded[:1], [other]):
            remark = f"if {loaded[0].name} is searched on and {other.name} held out: {difference}"
            click.echo(f"remark: {remark}", err=as_json)
    if not fit:
        raise SystemExit(1)


def _draw(verified: GridVerification, picture: Path) -> None:
    """Draw a grid into a file. Raises click.ClickException."""
    from graph.report.grid_plot import draw_grid

    try:
        draw_grid(verified.statistics, picture)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def as_object(verified: GridVerification) -> dict[str, Any]:
    """Return the object that --json prints; accuracies as [value, low, high] in percent."""
    statistics = verified.statistics
    agree, both = statistics.last_probe_agrees
    return {
        "grid": statistics.grid.name,
        "holds": verified.holds,
        "fit": verified.fit,
        "unfit": verified.unfit,
        "content_hash": statistics.grid.content_hash,
        "questions": len(statistics.grid.questions),
        "branches": len(statistics.question),
        "interval": statistics.grid.interval,
        "tokens": int(statistics.grid.arrays.tokens.sum()),
        "single_branch_accuracy": _percent(statistics.single),
        "majority_accuracy": _percent(statistics.majority),
        "oracle_accuracy": _percent(statistics.oracle),
        "last_probe_agrees": agree / both if both else None,
        "checks": [
            {"name": check.name, "holds": check.holds, "must": check.must, "found": check.found}
            for check in verified.checks
        ],
    }


def _percent(figure: Interval) -> list[float | None]:
    return [None if each is None else round(100 * each, 4) for each in (figure.value, figure.low, figure.high)]


def _print_broken(path: str, error: GridError, *, as_json: bool) -> None:
    if as_json:
        echo_json({"grid": path, "holds": False, "error": str(error)})
    else:
        click.echo(f"{path}\n  fault   {escaped(str(error))}\n")


def _print(verified: GridVerification) -> None:
    statistics = verified.statistics
    click.echo(statistics.grid.name)
    for check in verified.checks:
        mark = "holds" if check.holds else "fault" if check.must else "remark"
        click.echo(f"  {mark:<7} {check.name}: {check.found}")
    figures = (("one branch", statistics.single), ("majority", statistics.majority), ("some branch", statistics.oracle))
    for name, figure in figures:
        value, _, interval = figure.text(100, ".1f").partition(" ")
        click.echo(f"  {name + ' right':<18} {value:>5} % {interval}")
    for name, found in verified.unfit.items():
        click.echo(f"  unfit   {name}: {found}")
    click.echo("  fit to be searched on\n" if verified.fit else "  NOT fit to be searched on\n")
