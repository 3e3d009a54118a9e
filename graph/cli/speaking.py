"""Who tells what `autotts discover` is doing: lines, JSON lines, or a view that changes in place."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import click
from rich.text import Text

from graph.cli.progress import episode_progress
from graph.folder import RunFolder
from graph.happening import archived, happened
from graph.pausing import Pause, Person
from graph.telling import Teller
from sandbox.evaluate import Progress

POINTS = 6
"""Points of the frontier that the view shows."""


class Speaker:
    """Tells in lines on standard error; with `folder`, each event as a JSON line on standard output too."""

    def __init__(self, *, quiet: bool, folder: RunFolder | None = None) -> None:
        self._quiet, self._folder = quiet, folder

    def say(self, text: str) -> None:
        """A line."""
        if not self._quiet:
            click.echo(text, err=True)

    def episodes(self, what: str) -> AbstractContextManager[Progress | None]:
        """A bar on a terminal, a line now and then elsewhere."""
        return episode_progress(what, quiet=self._quiet)

    def finished(self, node: str, number: int) -> None:
        """An event, unless it is to be quiet."""
        event = happened(self._folder, node, number) if self._folder is not None and not self._quiet else None
        if event is not None:
            click.echo(json.dumps(event, ensure_ascii=False))
            sys.stdout.flush()


class LiveSpeaker:
    """Shows rounds, the frontier, what was spent and what is going on, in place; on a terminal alone."""

    def __init__(self, folder: RunFolder, console: Any = None) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._folder = folder
        console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("episodes"))
        self._bars = Bars(*columns, TimeRemainingColumn(), console=console)
        self._rounds: list[dict[str, Any]] = []
        self._live = Live(self._view(), console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveSpeaker":
        number = 1
        # Of a run that goes on.
        while self._folder.frontier.exists() and self._folder.round(number).metrics.exists():
            self._rounds.append(archived(self._folder, number))
            number += 1
        self._live.start()
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """A remark, which stays above the view."""
        self._live.console.print(Text(text))

    @contextlib.contextmanager
    def episodes(self, what: str) -> Iterator[Progress | None]:
        """A bar in the view."""
        task = self._bars.add_task(what, total=None)
        try:
            yield lambda done, total: self._bars.update(task, completed=done, total=total)
        finally:
            self._bars.remove_task(task)

    def finished(self, node: str, number: int) -> None:
        """A complete round joins the table."""
        if node == "historian":
            known = [each for each in self._rounds if each["round"] < number]
            self._rounds = [*known, archived(self._folder, number)]
        self._show()

    def around(self, person: Person) -> Person:
        """The person, asked without the view in the way."""

        def asked(pause: Pause) -> bool:
            self._live.stop()
            answer = person(pause)
            if answer:
                self._live.start()
            return answer

        return asked

    def _show(self) -> None:
        self._live.update(self._view())

    def _view(self) -> Any:
        from rich.console import Group

        parts: list[Any] = [self._table()] if self._rounds else []
        if self._rounds:
            parts.append(Text(f"frontier: {_frontier(self._rounds[-1]['frontier'])}"))
        spent = self._spent()
        if spent:
            parts.append(Text(spent))
        return Group(*parts, self._bars)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(title="autotts discover", title_justify="left")
        for name in ("round", "best", "score", "over baseline", "gain", "tried", "failed", "same"):
            table.add_column(name, justify="right")
        for each in self._rounds:
            score = "–" if each["score"] is None else f"{100 * each['score']:.2f}"
            counts = (str(each[name]) for name in ("candidates", "failed", "duplicates"))
            over, gain = (_signed(each[name]) for name in ("over_baseline", "gain"))
            table.add_row(str(each["round"]), Text(each["best"] or "none sound"), score, over, gain, *counts)
        return table

    def _spent(self) -> str:
        from graph.cli.summary import spending
        from graph.folder import read_json

        if not self._folder.accounting.exists():
            return ""
        return " · ".join(spending(read_json(self._folder.accounting)["total"]))


def _frontier(points: list[dict[str, Any]]) -> str:
    """Some of the points, both ends among them."""
    shown = points
    if len(points) > POINTS:
        shown = [points[round(place * (len(points) - 1) / (POINTS - 1))] for place in range(POINTS)]
    said = [f"{100 * each['accuracy']:.1f} % for {each['tokens']:,.0f} ({each['controller']})" for each in shown]
    return f"{len(points)} points: " + ", ".join(said)


def _signed(value: dict[str, float] | None) -> str:
    return "–" if value is None else f"{100 * value['value']:+.2f}"


@contextlib.contextmanager
def speaking(folder: RunFolder, *, quiet: bool, as_json: bool) -> Iterator[tuple[Teller, Callable[[Person], Person]]]:
    """Who tells of the run in a folder, and how a person is asked meanwhile."""
    if sys.stderr.isatty() and not quiet and not as_json:
        with LiveSpeaker(folder) as live:
            yield live, live.around
    else:
        yield Speaker(quiet=quiet, folder=folder if as_json else None), lambda person: person
