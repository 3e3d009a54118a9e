"""`autotts mcp`: serves grids, evaluations and waiting runs to coding agents, by the Model Context Protocol."""

import os
from pathlib import Path

import click


@click.command("mcp")
@click.option("--grid", "grids", multiple=True, default=("bundled/search",), show_default=True, metavar="FILE|NAME",
              help="A grid that tools may play on; may be given again. No other can be named by an agent.")  # fmt: skip
@click.option("--runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
              help="Folder whose subfolders are the runs that tools may read and go on with.")  # fmt: skip
@click.option("--sandbox", default="auto", show_default=True, metavar="auto|docker|bubblewrap",
              help="Isolation of controllers.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores")
@click.option("--max-episodes", type=click.IntRange(1), default=500_000, show_default=True,
              help="Limit on the episodes of one call.")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
              help="Limit on the time of one call.")  # fmt: skip
def mcp_command(grids: tuple[str, ...], runs: Path, sandbox: str, jobs: int, max_episodes: int, minutes: float) -> None:
    """Serve tools to a coding agent by the Model Context Protocol, on standard input and output.

    The agent evaluates, compares and explains controllers on the grids given here, reads the brief of a run that waits
    for a controller (explorer folder:PATH), and submits to it. Controllers run in the sandbox. No tool shows right
    answers, or a grid that a run holds out. Clients start this command themselves: docs/mcp.md.
    """
    try:
        from graph.serve.mcp.server import make_server
        from graph.serve.mcp.workplace import ServerSettings
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}; pip install 'autotts[mcp]'") from None
    make_server(ServerSettings(grids, runs, sandbox, jobs, max_episodes, minutes)).run()
