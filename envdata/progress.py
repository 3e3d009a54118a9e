"""Progress on standard error: rich's bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

LINE_SECONDS = 10.0
"""How often a line is written where the stream is not a terminal."""


class Progress:
    """Shows how many of a number of things are done, and estimates the time left. A context manager."""

    def __init__(
        self,
        what: str,
        unit: str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what` names the work and `unit` the things, in the plural; `clock` gives seconds."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._what, self._unit, self._clock = what, unit, clock
        self._stream = stream or sys.stderr
        self._began, self._written = clock(), clock()
        self._before: int | None = None
        """How many were done when this began: the time left is estimated from the others."""
        self._line = ""
        self._bars: Bars | None = None
        if self._stream.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TextColumn(unit))
            note = TextColumn("{task.fields[note]}", markup=False)
            console = Console(file=self._stream)
            self._bars = Bars(*columns, note, TimeRemainingColumn(), console=console, transient=True)
            self._task = self._bars.add_task(what, total=None, note="")

    def __enter__(self) -> "Progress":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def update(self, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` are done; `note` stands behind."""
        before = self._before = done if self._before is None else self._before
        self._line = f"{self._what}: {done:,} of {total:,} {self._unit}{f', {note}' if note else ''}"
        if self._bars is not None:
            self._bars.update(self._task, completed=done, total=total, note=note)
            return
        now = self._clock()
        if before < done < total:
            self._line += f", about {duration((now - self._began) / (done - before) * (total - done))} left"
        if now - self._written >= LINE_SECONDS:
            self._write(self._line)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._write(text)

    def summary(self) -> None:
        """Write the last state as a line that stays."""
        if self._line:
            self.say(self._line)

    def _write(self, line: str) -> None:
        self._written = self._clock()
        self._stream.write(f"{line}\n")
        self._stream.flush()


@contextmanager
def shown_progress(what: str, unit: str = "episodes", *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a function that shows how many units are done, of how many; None when quiet.

    `what` names the work, `unit` the things that are counted, in the plural.
    """
    if quiet:
        yield None
        return
    with Progress(what, unit) as shown:
        yield shown.update


def duration(seconds: float) -> str:
    """A duration in words, such as "9 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
