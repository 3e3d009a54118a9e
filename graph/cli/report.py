"""`autotts report`, which writes a run's page, and `autotts ui`, which serves the pages of all runs, with replays."""

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--export", "export", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Also write figures (SVG, PDF) and tables (CSV, LaTeX) for a paper into this folder.")  # fmt: skip
def report_command(run: Path, export: Path | None) -> None:
    """Write report.html and the picture of a run, which may be incomplete.

    Figures and tables of a study: autotts study STUDY.toml --only-page --export DIR.
    """
    from envdata.progress import shown_progress
    from graph.report.export import export_run
    from graph.report.page.render import write_report
    from graph.run.paths import RunFolder
    from graph.run.record import load

    folder = RunFolder(run)
    with shown_progress("report", "rounds", quiet=False) as progress:
        write_report(folder, progress)
    click.echo(f"report: {folder.report}\npicture: {folder.picture}")
    if export is not None:
        click.echo(f"for a paper: {len(export_run(load(run), export))} files in {export}")


@click.command("ui")
@click.argument("runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"))
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option("--sandbox", default="auto", show_default=True, metavar="auto|docker|bubblewrap|process",
              help="Sandbox for replays of episodes.")  # fmt: skip
@click.option("--open/--no-open", "browse", default=False, help="Open the page in the browser.")
def ui_command(runs: Path, port: int, sandbox: str, browse: bool) -> None:
    """Serve the pages of all runs in a folder, or of one run, on this machine's loopback until Ctrl-C.

    Pages of running searches are updated, and any episode can be replayed.
    """
    from graph.report.ui.server import Server

    try:
        server = Server(runs, port=port, sandbox=sandbox)
    except OSError as error:
        raise click.ClickException(
            f"port {port} cannot be used ({error.strerror}); --port 0 takes a free one"
        ) from error
    with server:
        click.echo(f"{server.url}\nCtrl-C ends it.")
        if browse:
            click.launch(server.url)
        try:
            server.serve()
        except KeyboardInterrupt:
            click.echo("")
