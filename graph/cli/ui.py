"""`autotts ui`: the pages of runs on loopback, with replays on demand."""

from pathlib import Path

import click


@click.command("ui")
@click.argument("runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"))
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option("--sandbox", default=None, help="What episodes are replayed in; the run's own by default.")
@click.option("--open/--no-open", "browse", default=False, help="Show it in the browser.")
def ui_command(runs: Path, port: int, sandbox: str | None, browse: bool) -> None:
    """Serve the pages of all runs in a folder, or of one run, on this machine's loopback until Ctrl-C.

    Runs that are still going on are followed, and any episode can be replayed.
    """
    from graph.ui.server import Server

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
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            click.echo("")
