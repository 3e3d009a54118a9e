"""`autotts grid`: import, look at and collect replay grids."""

import json
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from envdata.grid import Grid
from envdata.published import import_folder
from envdata.survey import Survey
from graph.cli.card import card_command
from graph.cli.collect import collect_command
from graph.cli.verify import verify_command


@click.group("grid")
def grid_group() -> None:
    """Replay grids: import, collect, inspect, verify, describe."""


for command in (card_command, collect_command, verify_command):
    grid_group.add_command(command)


@grid_group.group("import")
def import_group() -> None:
    """Turn other formats into grids."""


@import_group.command("published")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the grids go.")
def import_published(folder: Path, out: Path) -> None:
    """Import the AutoTTS release's replay data: FOLDER/<model>/<benchmark>.json to OUT/<model>/<benchmark>.parquet."""
    for imported in import_folder(folder, out):
        click.echo(f"{imported.target}: {imported.questions} questions, {imported.branches} branches")


@grid_group.command("info")
@click.argument("grids", nargs=-1, required=True, metavar="GRID...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def info(grids: tuple[str, ...], as_json: bool) -> None:
    """What a grid holds and where it comes from."""
    for path in grids:
        facts = describe(Grid.load(path))
        if as_json:
            click.echo(json.dumps(facts, ensure_ascii=False))
            continue
        width = max(map(len, facts))
        for name, value in facts.items():
            click.echo(
                f"{name:<{width}}  {json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}"
            )
        click.echo()


def describe(grid: Grid) -> dict[str, object]:
    """The facts that `autotts grid info` prints; accuracies in percent."""
    arrays, survey = grid.arrays, Survey(grid)
    return {
        "grid": grid.name,
        "content hash": grid.content_hash,
        "questions": len(grid.questions),
        "branches": _span(grid.branches),
        "interval (tokens)": grid.interval,
        "intervals a branch": _span(arrays.intervals),
        "tokens a branch": _span(arrays.tokens),
        "single-branch accuracy (%)": round(100 * survey.single.value, 2),
        "majority accuracy (%)": round(100 * survey.majority.value, 2),
        "some branch right (%)": round(100 * survey.oracle.value, 2),
        "confidences": arrays.confidences is not None,
        "probe costs": arrays.probe_tokens is not None,
        "provenance": dict(grid.provenance),
    }


def _span(values: npt.NDArray[np.integer]) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} … {high}, mean {values.mean():.1f}"
