"""`autotts grid fetch` and `autotts grid list`: fetches a public release's grids, and lists grids that have a name."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from envdata.grid import Grid
from envdata.grid_names import RELEASE, SHORT, fetched_folder, named_grids
from envdata.grid_schema import GridError
from envdata.printable import escaped
from graph.cli.errors import Interrupted
from graph.cli.foreign_text import echo_json

if TYPE_CHECKING:
    from envdata.autotts_release import FetchResult

LINE_SECONDS = 5.0
"""Seconds between two lines of progress where standard error is not a terminal."""

ByteProgress = Callable[[str, int, int | None], None]
"""Progress callback: name of a grid, bytes of its file received, and the file's size in bytes, None if unknown."""


def _check_address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the address of a release. Raises click.BadParameter if it is none, or holds a password."""
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(
            f"{value!r} is not an address that begins with https:// or http://", context, parameter
        )
    if "@" in parts.netloc:
        raise click.BadParameter("the address holds a user or a password; give one that is public", context, parameter)
    if ("{model}" in value) != ("{benchmark}" in value):
        raise click.BadParameter("give both {model} and {benchmark} in the address, or neither", context, parameter)
    return value


@click.command("fetch")
@click.argument("release", type=click.Choice([RELEASE]))
@click.option("--source", callback=_check_address, metavar="URL",
              help="Address of the release: URL/<model>/<benchmark>.json, or an address with {model} and {benchmark}.  "
              "[default: the authors' repository]")  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="A grid, as in qwen3-8b/aime24, or all of a model, as in "
              "qwen3-8b; may be given again.  [default: all]")  # fmt: skip
@click.option("--again", is_flag=True, help="Fetch grids that exist already, too.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def fetch_command(release: str, source: str | None, only: tuple[str, ...], again: bool, quiet: bool) -> None:
    """Fetch the replay grids of the public AutoTTS release: Qwen3 0.6B to 8B on AIME24, AIME25 and HMMT25.

    Each is imported and verified, and then has a name that every --grid takes, as in --grid qwen3-8b/aime24. After an
    interruption the same command continues, even within a file. The data belong to the release's authors.
    """
    # Imported here: the HTTP client is slow to load.
    from envdata import autotts_release as public
    from envdata.download import DownloadError

    grids = public.release_grids()
    unknown = [name for name in only if not any(_named(each.name, name) for each in grids)]
    if unknown:
        raise click.UsageError(f"{unknown[0]!r} is not of the release; it has {', '.join(each.name for each in grids)}")
    wanted = [each for each in grids if not only or any(_named(each.name, name) for name in only)]
    failed = 0
    try:
        with _show_progress(quiet=quiet) as progress:
            for each in public.fetch(source or public.SOURCE, wanted, progress, again=again):
                failed += each.failed is not None
                click.echo(_line(each))
    except DownloadError as error:
        raise click.ClickException(escaped(str(error))) from None
    except KeyboardInterrupt:
        raise Interrupted("stopped; the bytes received are kept, and the same command goes on from them") from None
    if failed:
        raise click.ClickException(
            f"{failed} of {len(wanted)} grids are not there; where the authors have moved them, --source says where to"
        )


def _named(name: str, given: str) -> bool:
    """Return whether `given` is the grid's name or its model."""
    return given.lower() in (name, name.partition("/")[0])


def _line(fetched: "FetchResult") -> str:
    """Return the line that is printed for a grid."""
    if fetched.failed is not None:
        return f"{fetched.name}: FAILED: {escaped(fetched.failed)}"
    if fetched.verified is None:
        return f"{fetched.name}: there already"
    statistics = fetched.verified.statistics
    faults = [f"{check.name} ({check.found})" for check in fetched.verified.checks if check.must and not check.holds]
    verdict = f"NOT fit to be searched on: {'; '.join(faults)}" if faults else "verified"
    return f"{fetched.name}: {len(statistics.grid.questions)} questions, {len(statistics.question)} branches, {verdict}"


@contextlib.contextmanager
def _show_progress(*, quiet: bool) -> Iterator[ByteProgress]:
    """Show progress on standard error while the body runs; yields the progress callback."""
    if quiet:
        yield lambda name, have, size: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            tasks: dict[str, Any] = {}

            def update(name: str, have: int, size: int | None) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=size)
                bars.update(tasks[name], completed=have, total=size)

            yield update
    else:
        yield _progress_lines()


def _progress_lines() -> ByteProgress:
    """Return a progress callback that prints a line every `LINE_SECONDS`."""
    printed = time.monotonic()

    def update(name: str, have: int, size: int | None) -> None:
        nonlocal printed
        if time.monotonic() - printed >= LINE_SECONDS:
            printed = time.monotonic()
            whole = "" if size is None else f" of {size:,}"
            print(f"{name}: {have:,}{whole} bytes", file=sys.stderr, flush=True)

    return update


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per grid.")
def list_command(as_json: bool) -> None:
    """List the grids that have a name: those that come with autotts, and those that were fetched.

    A name can be given wherever a grid's path can.
    """
    short = {long: name for name, long in SHORT.items()}
    rows = []
    for each in named_grids():
        facts: dict[str, object] = {"name": each.name, "also": short.get(each.name), "from": each.origin}
        try:
            grid = Grid.load(each.path)
        except GridError as error:
            facts["error"] = str(error)
        else:
            branches = int(grid.branches.sum())
            facts |= {"questions": len(grid.questions), "branches": branches, "interval": grid.interval}
        rows.append({**facts, "path": str(each.path)})
    if as_json:
        for row in rows:
            echo_json(row)
        return
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        counts = "{questions:>4} questions  {branches:>6,} branches  Δ {interval:>4}  {from}"
        description = str(row["error"]) if "error" in row else counts.format(**row)
        also = f", or just {row['also']}" if row["also"] else ""
        click.echo(escaped(f"{row['name']:<{width}}  {description}{also}"))
    if not fetched_folder().is_dir():
        click.echo(f"`autotts grid fetch {RELEASE}` brings those of the public release.", err=True)
