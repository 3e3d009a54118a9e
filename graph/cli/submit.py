"""`autotts submit`: give a run the controller it waits for, and go on with it."""

from pathlib import Path

import click

from graph.settings import RunError


@click.command("submit")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.argument("files", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True, metavar="FILE…")
@click.option("--idea", default="", metavar="TEXT", help="What is new about it; Markdown, goes into the archive.")
@click.option("--jobs", type=click.IntRange(1), default=None, help="As in discover.  [default: cores]")
@click.option("--wait", is_flag=True, help="Wait for the next controller instead of ending.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of tables.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def submit_command(
    run: Path, files: tuple[Path, ...], idea: str, jobs: int | None, wait: bool, as_json: bool, quiet: bool
) -> None:
    """Put FILE where RUN waits for a controller (see the explorer folder:PATH), and go on with the run.

    With several files the round gets several candidates. The exit code is 3 where the run waits for somebody again.
    """
    import os

    from graph import discovery
    from graph.cli.going_on import carry_out
    from graph.cli.speaking import Speaker

    put(run, files, idea)
    speaker = Speaker(quiet=quiet)
    jobs = jobs or os.cpu_count() or 1
    try:
        carry_out(
            lambda person: discovery.resume(run, {}, jobs=jobs, teller=speaker, person=person),
            run, wait=wait, as_json=as_json,
        )  # fmt: skip
    except discovery.Busy:
        click.echo("the process that waits for it goes on", err=True)


def put(run: Path, files: tuple[Path, ...], idea: str) -> None:
    """Put the files where the run waits for them. Raises RunError if it does not, or if others lie there already."""
    from envdata.atomic import write_text
    from graph.checkpoints import waiting_for
    from graph.explorers.dropbox import IDEA, NAMES, Unreadable, read_plain
    from graph.folder import RunFolder
    from graph.settings import Pinned

    folder = RunFolder(run)
    pause = waiting_for(folder, Pinned.load(folder.settings).settings)
    if pause is None or pause.waits_for != "controller":
        what = "waits for approval" if pause is not None else "does not wait for a controller"
        raise RunError(f"{run} {what}; go on with it by autotts discover --resume {run}")
    if len(files) > pause.said["wanted"]:
        raise RunError(f"{len(files)} files, and the run asks for {pause.said['wanted']} at most; give fewer")
    there = Path(pause.said["folder"])
    lying = sorted(path.name for path in there.glob(NAMES))
    if lying:
        raise RunError(
            f"{there / lying[0]} lies there already; go on with it by autotts discover --resume {run}, or remove it"
        )
    try:
        sources = [read_plain(path) for path in files]
    except Unreadable as error:
        raise RunError(str(error)) from None
    if idea:
        write_text(there / IDEA, idea + "\n")
    width = len(str(len(sources)))
    for number, source in enumerate(sources, 1):
        name = "controller.py" if len(sources) == 1 else f"controller-{number:0{width}}.py"
        write_text(there / name, source)
