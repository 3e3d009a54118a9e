"""Printing of text that models, servers and files wrote: none of it can control the terminal or hide in it."""

import json
import sys
from typing import Any

import click

from envdata.tabular import PRINTED_COLUMNS, TabularResult
from sandbox.sanitize import printable


def echo(text: object, *, err: bool = False) -> None:
    """Print text, with its line ends but without control or invisible characters; with `err` on standard error."""
    click.echo(printable(str(text)), err=err)


def echo_json(value: Any) -> None:
    """Print a value as JSON on one line (`json_line`)."""
    click.echo(json_line(value))


def json_line(value: Any) -> str:
    """Return a value as JSON on one line, unaltered; in ASCII if any of its text could control a terminal."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text == printable(text) else json.dumps(value)


def print_result(result: TabularResult) -> None:
    """Print a result as a table, as wide as the terminal, or `PRINTED_COLUMNS` wide where output is no terminal."""
    print_rich(result, columns=PRINTED_COLUMNS)


def print_rich(*renderables: Any, columns: int) -> None:
    """Print rich's renderables as wide as the terminal, or `columns` wide where output is no terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else columns, highlight=False)
    for each in renderables:
        console.print(each, crop=False)


class PrintedLines:
    """Prints on standard error the lines that controllers print, each with the file's name; a callable."""

    def __init__(self) -> None:
        """Begin without any."""
        self._name, self._rest = "", b""

    def __call__(self, name: str, data: bytes) -> None:
        """Print the complete lines of `data`, which the controller `name` printed; an incomplete one waits."""
        if name != self._name:
            self.end()
            self._name = name
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._show(line)

    def end(self) -> None:
        """Print the last line, which has no line end."""
        if self._rest:
            self._show(self._rest)
        self._rest = b""

    def _show(self, line: bytes) -> None:
        echo(f"{self._name.rsplit('/', 1)[-1]}| {line.decode('utf-8', 'replace')}", err=True)
