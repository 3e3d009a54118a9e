"""`autotts grid card`: a Hugging Face dataset card for grids."""

from pathlib import Path

import click

from envdata.atomic import write_text
from envdata.verification import verify
from graph.gridcard import card


@click.command("card")
@click.argument("grids", nargs=-1, required=True, metavar="GRID...")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="Where the card goes.  [default: README.md beside the grids]")  # fmt: skip
@click.option("--title", help="The dataset's name.  [default: the first grid's]")
@click.option("--licence", default="other", show_default=True, help="As Hugging Face names licences, such as mit.")
@click.option("--force", is_flag=True, help="Write over a card that is there.")
def card_command(grids: tuple[str, ...], out: Path | None, title: str | None, licence: str, force: bool) -> None:
    """Write a dataset card for grids in one folder, ready for `huggingface-cli upload FOLDER`."""
    folders = {Path(path).resolve().parent for path in grids}
    if len(folders) > 1:
        raise click.UsageError(f"the grids lie in {len(folders)} folders; a card describes the files beside it")
    target = out or Path(grids[0]).parent / "README.md"
    if target.exists() and not force:
        raise click.ClickException(f"{target} is there already; --force writes over it, --out elsewhere")
    found = [verify(path) for path in dict.fromkeys(grids)]
    write_text(target, card(found, title=title or Path(grids[0]).stem, licence=licence))
    click.echo(str(target))
