"""`autotts grid`: lists, fetches, imports, collects, inspects, verifies and describes replay grids."""

import json
from pathlib import Path

import click

from envdata.atomic import write_text
from envdata.autotts_import import import_folder
from envdata.grid import Grid
from envdata.grid_names import grid_file
from envdata.printable import escaped
from envdata.table_import import import_table
from envdata.verification import verify
from graph.analysis.grid_description import describe
from graph.cli.collect import collect_command
from graph.cli.fetch import fetch_command, list_command
from graph.cli.foreign_text import echo_json
from graph.cli.judge_grid import judge_grid_command
from graph.cli.verify import verify_command
from graph.report.dataset_card import card


@click.group("grid")
def grid_group() -> None:
    """Replay grids: list, fetch, import, collect, inspect, verify, describe."""


for command in (collect_command, fetch_command, judge_grid_command, list_command, verify_command):
    grid_group.add_command(command)


@grid_group.group("import")
def import_group() -> None:
    """Turn other formats into grids."""


@import_group.command("table")
@click.argument("tables", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The grid to write.")
@click.option("--interval", type=click.IntRange(1), help="Δ in tokens, where the table's metadata does not have it.")
def import_table_command(tables: tuple[Path, ...], out: Path, interval: int | None) -> None:
    """Import Parquet files with a grid's columns whose metadata a tool dropped, or whose rows it reordered.

    FILE is a Parquet file, or a folder of parts as Spark writes it. Columns and types: docs/collecting.md.
    """
    table = import_table(tables, out, interval)
    questions = table.column("question_id")[-1].as_py() + 1
    click.echo(f"{out}: {questions} questions, {table.num_rows} branches")


@import_group.command("published")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the grids.")
@click.option("--dedupe", is_flag=True, help="Leave out repeated questions, with their branches.")
def import_published_command(folder: Path, out: Path, dedupe: bool) -> None:
    """Import the AutoTTS release's replay data: FOLDER/<model>/<benchmark>.json to OUT/<model>/<benchmark>.parquet."""
    for imported in import_folder(folder, out, dedupe=dedupe):
        click.echo(f"{imported.target}: {imported.questions} questions, {imported.branches} branches")


@grid_group.command("card")
@click.argument("grids", nargs=-1, required=True, metavar="GRID...")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="File for the card.  [default: README.md beside the grids]")  # fmt: skip
@click.option("--title", help="The dataset's name.  [default: the first grid's]")
@click.option("--licence", default="other", show_default=True, help="Hugging Face's name of a licence, such as mit.")
@click.option("--force", is_flag=True, help="Overwrite an existing card.")
def card_command(grids: tuple[str, ...], out: Path | None, title: str | None, licence: str, force: bool) -> None:
    """Write a dataset card for grids in one folder, ready for `huggingface-cli upload FOLDER`."""
    files = [grid_file(path) for path in grids]
    folders = {file.resolve().parent for file in files}
    if len(folders) > 1:
        raise click.UsageError(f"the grids lie in {len(folders)} folders; a card describes the files beside it")
    target = out or files[0].parent / "README.md"
    if target.exists() and not force:
        raise click.ClickException(f"{target} is there already; --force writes over it, --out elsewhere")
    verifications = [verify(path) for path in dict.fromkeys(grids)]
    write_text(target, card(verifications, title=title or files[0].stem, licence=licence))
    click.echo(str(target))


@grid_group.command("info")
@click.argument("grids", nargs=-1, required=True, metavar="GRID...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def info_command(grids: tuple[str, ...], as_json: bool) -> None:
    """Print a grid's size, figures and provenance."""
    for path in grids:
        facts = describe(Grid.load(path))
        if as_json:
            echo_json(facts)
            continue
        width = max(map(len, facts))
        for name, value in facts.items():
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
            click.echo(f"{name:<{width}}  {escaped(text)}")
        click.echo()
