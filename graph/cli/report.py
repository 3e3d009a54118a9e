"""`autotts report`: the page and the picture of a run."""

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
def report_command(run: Path) -> None:
    """Write report.html and the picture of the run in a folder; one that is still going on serves too."""
    from graph.folder import RunFolder
    from graph.report import write_report

    folder = RunFolder(run)
    write_report(folder)
    click.echo(f"report: {folder.report}\npicture: {folder.picture}")
