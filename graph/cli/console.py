"""Observers of a run on the console: lines, JSON lines, or a live view that changes in place."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from rich.text import Text

from envdata.intervals import number_text
from envdata.progress import duration, shown_progress
from graph.accounting.time_left import seconds_left
from graph.cli.foreign_text import echo, echo_json
from graph.loop.interrupts import PauseHandler, RunInterrupt
from graph.run.events import node_event, round_summary
from graph.run.observers import RunObserver
from graph.run.paths import RunFolder
from sandbox.evaluate import Progress
from sandbox.sanitize import printable, quoted

POINTS = 6
"""Points of the frontier that the live view shows."""
SHORTEST = 2.0
"""Seconds left that are worth telling."""


class ConsoleObserver:
    """Run observer that prints lines on standard error and, on request, events as JSON lines on standard output."""

    def __init__(self, folder: RunFolder, *, quiet: bool, as_json: bool) -> None:
        """Observe a run.

        Args:
            folder: The run's folder, from which events are read.
            quiet: Print nothing.
            as_json: Print events.
        """
        self._folder, self._quiet, self._as_json = folder, quiet, as_json

    def say(self, text: str) -> None:
        """Print a line."""
        if not self._quiet:
            echo(text, err=True)

    def progress(self, what: str, unit: str = "episodes") -> AbstractContextManager[Progress | None]:
        """Return a context that shows progress: a bar on a terminal, a line at intervals elsewhere."""
        return shown_progress(what, unit, quiet=self._quiet)

    def finished(self, node: str, number: int) -> None:
        """Print the event of a finished node, and after a round how long the run still takes."""
        if self._quiet:
            return
        event = node_event(self._folder, node, number) if self._as_json else None
        if event is not None:
            echo_json(event)
            sys.stdout.flush()
        left = seconds_left(self._folder) if node == "historian" else None
        if left is not None and left >= SHORTEST:
            self.say(f"round {number}: about {duration(left)} left, if rounds take as long as so far")


class LiveViewObserver:
    """Run observer that shows rounds, frontier, spending and progress in place on a terminal; a context manager."""

    def __init__(self, folder: RunFolder, console: Any = None) -> None:
        """Prepare the view of the run in `folder` on a rich `console`; None: standard error."""
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._folder = folder
        console = console or Console(stderr=True)
        unit = TextColumn("{task.fields[unit]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn())
        self._bars = Bars(*columns, console=console)
        self._rounds: list[dict[str, Any]] = []
        self._time_left = _TimeLeft()
        self._live = Live(self._view(), console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveViewObserver":
        """Show the view, with the complete rounds of a resumed run."""
        number = 1
        while self._folder.frontier.exists() and self._folder.round(number).metrics.exists():
            self._rounds.append(round_summary(self._folder, number))
            number += 1
        self._time_left.end_in(seconds_left(self._folder))
        self._live.start()
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the view from the terminal."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the view, where it stays."""
        self._live.console.print(Text(printable(text)))

    @contextlib.contextmanager
    def progress(self, what: str, unit: str = "episodes") -> Iterator[Progress | None]:
        """Show a progress bar, labelled `what`, in the view; yields its progress callback."""
        task = self._bars.add_task(what, total=None, unit=unit)
        try:
            yield lambda done, total: self._bars.update(task, completed=done, total=total)
        finally:
            self._bars.remove_task(task)

    def finished(self, node: str, number: int) -> None:
        """Update the view; a complete round gets a row of the table."""
        if node == "historian":
            earlier = [each for each in self._rounds if each["round"] < number]
            self._rounds = [*earlier, round_summary(self._folder, number)]
            self._time_left.end_in(seconds_left(self._folder))
        self._show()

    def hidden_during(self, on_pause: PauseHandler) -> PauseHandler:
        """Return a pause handler that hides the view, calls `on_pause`, and shows the view if the run goes on."""

        def handle(pause: RunInterrupt) -> bool:
            self._live.stop()
            goes_on = on_pause(pause)
            if goes_on:
                self._live.start()
            return goes_on

        return handle

    def _show(self) -> None:
        self._live.update(self._view())

    def _view(self) -> Any:
        from rich.console import Group

        parts: list[Any] = [self._table()] if self._rounds else []
        if self._rounds:
            parts.append(Text(quoted(f"frontier: {_frontier_text(self._rounds[-1]['frontier'])}")))
        spending = self._spending_text()
        if spending:
            parts.append(Text(spending))
        return Group(*parts, self._time_left, self._bars)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(title="autotts discover", title_justify="left")
        for name in ("round", "best", "score", "over baseline", "gain", "tried", "failed", "same"):
            # A name is folded before a figure would be cut.
            table.add_column(name, justify="right", no_wrap=name != "best", overflow="fold")
        for each in self._rounds:
            score = "–" if each["score"] is None else f"{100 * each['score']:.2f}"
            counts = (str(each[name]) for name in ("candidates", "failed", "duplicates"))
            over, gain = (_signed(each[name]) for name in ("over_baseline", "gain"))
            table.add_row(
                str(each["round"]), Text(quoted(each["best"] or "none sound", 40)), score, over, gain, *counts
            )
        return table

    def _spending_text(self) -> str:
        from graph.report.run_summary import spending
        from graph.run.paths import read_json

        if not self._folder.accounting.exists():
            return ""
        return " · ".join(spending(read_json(self._folder.accounting)["total"]))


class _TimeLeft:
    """Line on how long the run still takes, counted down; empty before that is known, and when it took longer."""

    def __init__(self) -> None:
        self._end: float | None = None

    def end_in(self, seconds: float | None) -> None:
        """Count down from so many seconds; None: show nothing."""
        self._end = None if seconds is None else time.monotonic() + seconds

    def __rich_console__(self, console: Any, options: Any) -> "Iterator[Text]":
        left = 0.0 if self._end is None else self._end - time.monotonic()
        if left >= SHORTEST:
            yield Text(f"about {duration(left)} left, if rounds take as long as so far")


def _frontier_text(points: list[dict[str, Any]]) -> str:
    """Return at most `POINTS` of the frontier's points as text, both ends among them."""
    shown = points
    if len(points) > POINTS:
        shown = [points[round(place * (len(points) - 1) / (POINTS - 1))] for place in range(POINTS)]
    texts = [f"{100 * each['accuracy']:.1f} % for {each['tokens']:,.0f} ({each['controller']})" for each in shown]
    return f"{len(points)} points: " + ", ".join(texts)


def _signed(value: dict[str, float] | None) -> str:
    return "–" if value is None else number_text(100 * value["value"], "+.2f")


@contextlib.contextmanager
def console_observer(
    folder: RunFolder, *, quiet: bool, as_json: bool
) -> Iterator[tuple[RunObserver, Callable[[PauseHandler], PauseHandler]]]:
    """Yield the observer of a run that fits the console, and a wrapper for its pause handler.

    Args:
        folder: The run's folder.
        quiet: Show no progress.
        as_json: Print events as JSON lines on standard output.
    """
    if sys.stderr.isatty() and not quiet and not as_json:
        with LiveViewObserver(folder) as view:
            yield view, view.hidden_during
    else:
        yield ConsoleObserver(folder, quiet=quiet, as_json=as_json), lambda on_pause: on_pause
