"""Progress on standard error: a moving bar on a terminal, a line now and then elsewhere, nothing when quiet."""

import contextlib
import sys
import time
from collections.abc import Iterator

from sandbox.evaluate import Progress

LINE_SECONDS = 10.0
"""How often a line is printed where standard error is not a terminal."""


@contextlib.contextmanager
def episode_progress(what: str, *, quiet: bool) -> Iterator[Progress | None]:
    """Yield a function to be told how many episodes are played, of how many."""
    if quiet:
        yield None
        return
    if sys.stderr.isatty():
        yield from _bar(what)
    else:
        yield _lines(what)


def _bar(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("episodes"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)

        def update(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield update


def _lines(what: str) -> Progress:
    said = started = time.monotonic()

    def update(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= LINE_SECONDS:
            said = now
            left = (now - started) * (total - done) / max(done, 1)
            print(f"{what}: {done:,} of {total:,} episodes, about {left:.0f} s left", file=sys.stderr, flush=True)

    return update
