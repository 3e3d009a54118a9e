"""`autotts init`: writes a folder to begin in: defaults of the commands, a controller, a study, a README."""

from importlib import resources
from pathlib import Path

import click

from envdata.atomic import write_text

FILES = ("README.md", "autotts.toml", "my_controller.py", "study.toml")
"""Files of the folder, by their names in the package's folder `starter`."""
STARTER = "starter"


@click.command("init")
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def init_command(folder: Path) -> None:
    """Write the files to begin with into FOLDER, this folder by default.

    These are defaults of the commands (autotts.toml), a controller to change (my_controller.py), a study (study.toml)
    and a README with the next commands, which need no key and no GPU. No existing file is changed: if one of them is
    there, nothing is written.
    """
    present = [name for name in FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if present:
        raise click.ClickException(
            f"{folder} has {', '.join(present)} already, and init changes no file; name a new folder: autotts init NEW"
        )
    source = resources.files("graph.cli") / STARTER
    for name in FILES:
        write_text(folder / name, (source / name).read_text(encoding="utf-8"))
    click.echo(f"written into {folder}: {', '.join(FILES)}")
    enter = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    click.echo(f"next: {enter}autotts evaluate my_controller.py sc asc")
