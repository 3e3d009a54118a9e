"""Results that print as tables, show themselves in notebooks and become data frames."""

import importlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from envdata.printable import escaped_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

PRINTED_COLUMNS = 160
"""Width of a result as text, in columns, where there is no terminal that it has to fit."""
NAMES_AT_LEAST = 8
"""Columns that a name is folded into at the narrowest."""
LONGEST_PATH = 20
"""Characters of a path in a table that is too narrow for whole ones."""
RULED_GAP, GAP = 3, 2
"""Columns between two columns of a table, with a line between them and without."""

PaperRows = tuple[Sequence[str], Sequence[Sequence[str]], int]
"""Headings, cells of each row, and the number of columns from the left that hold words."""


class TabularResult(ABC):
    """A result with data in an Arrow table, printed by `print`, by rich and in a notebook alike.

    A subclass gives the data as `table`, the text by `render` and a figure by `plot`. Packages that know Arrow read it
    as a table: `polars.DataFrame(result)`, `pandas.DataFrame.from_arrow(result)`, `pyarrow.table(result)`. Text of
    files, models and candidates in it is escaped: it steers no terminal and is no HTML.
    """

    @property
    @abstractmethod
    def table(self) -> pa.Table:
        """The result as an Arrow table."""

    @abstractmethod
    def render(self, width: int) -> "Iterator[RenderableType]":
        """The parts that are printed, from above, for a display of `width` columns."""

    @abstractmethod
    def plot(self) -> Any:
        """The result as a matplotlib figure, which a notebook shows and `savefig` writes."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """`table` through Arrow's PyCapsule interface, by which data frame packages read it."""
        return self.table.__arrow_c_stream__(requested_schema)

    def export(self, folder: Path | str) -> list[Path]:
        """Write figure and table for a paper, as `figure.svg`, `figure.pdf`, `table.csv` and `table.tex`.

        Sizes and fonts are those of a paper with two columns, and the same result gives the same bytes.

        Args:
            folder: Folder of the files, created if it does not exist.

        Returns:
            The paths. Raises OSError if the folder cannot be written.
        """
        from envdata.paper_files import write_csv, write_figure, write_latex

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        heads, rows, names = self.paper_rows()
        return [
            *write_figure(self.plot(), place, "figure"),
            write_csv(self.table, place / "table.csv"),
            write_latex(place / "table.tex", heads, rows, names=names),
        ]

    def paper_rows(self) -> PaperRows:
        """The table as text for a paper: by default its columns that have values, with plain figures."""
        from envdata.paper_files import plain_cells

        table = self.table
        shown = table.select([name for name in table.column_names if table.column(name).null_count < table.num_rows])
        heads = [name.replace("_", " ") for name in shown.column_names]
        return heads, plain_cells(shown), 1

    def to_pandas(self) -> Any:
        """`table` as a pandas DataFrame. Raises ImportError, saying how to install it, without pandas."""
        _required("pandas", "to_pandas")
        return self.table.to_pandas()

    def to_polars(self) -> Any:
        """`table` as a Polars DataFrame. Raises ImportError, saying how to install it, without Polars."""
        return _required("polars", "to_polars").from_arrow(self.table)

    def __str__(self) -> str:
        stream = io.StringIO()
        self._print(stream)
        return escaped_lines(stream.getvalue().rstrip("\n"))

    def __rich_console__(self, console: Any, options: Any) -> "Iterator[RenderableType]":
        yield from self.render(options.max_width)

    def _repr_html_(self) -> str:
        """The printed form for a notebook, escaped."""
        pre = '<pre style="white-space: pre; overflow-x: auto; line-height: 1.2">{code}</pre>'
        html = self._print(io.StringIO(), record=True).export_html(inline_styles=True, code_format=pre)
        return escaped_lines(html)

    def _print(self, stream: io.StringIO, *, record: bool = False) -> "Console":
        from rich.console import Console

        console = Console(
            file=stream, width=PRINTED_COLUMNS, highlight=False, color_system=None, force_jupyter=False, record=record
        )
        console.print(self, crop=False)
        return console


def _required(package: str, method: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ImportError(
            f"{method}() needs the package {package}, which is not installed: pip install {package}; "
            "`.table` has the same data as an Arrow table",
            name=package,
        ) from None


def layout_rows(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    names: Sequence[str] = (),
    headed: int = 0,
) -> "Iterator[RenderableType]":
    """A table for `width` columns that shows every digit; the columns `names` hold words, folded where they are long.

    Where it does not fit, paths lose their middle; then the first `headed` columns go into headings over the rows that
    share them; then the lines between columns go; and where it does not fit then either, each figure goes on a line of
    its own.
    """
    from rich.text import Text

    yield Text(title, style="italic")
    whole = _table(heads, rows, names, width)
    if whole is None or not _fits_unfolded(heads, rows, width):
        whole = _table(heads, _with_short_paths(heads, rows, names), names, width)
    if whole is not None:
        yield whole
        return
    rest = heads[headed:]
    parts = [(key, [row[headed:] for row in own]) for key, own in groupby(rows, lambda row: tuple(row[:headed]))]
    tables = [_table(rest, own, names, width) for _, own in parts]
    if None in tables:
        tables = [_table(rest, own, names, width, GAP) for _, own in parts]
    for (key, own), table in zip(parts, tables, strict=True):
        if key:
            yield Text(", ".join(key), style="bold", overflow="fold")
        if table is not None and None not in tables:
            yield table
            continue
        for row in own:
            for number, (head, cell) in enumerate(zip(rest, row, strict=True)):
                yield Text(f"{'  ' if number else ''}{head}  {cell}", overflow="fold")


def short_path(text: str, most: int) -> str:
    """Return a path without its middle if it is longer than `most` characters; other text unchanged."""
    if len(text) <= most or "/" not in text:
        return text
    start = most // 4
    return f"{text[:start]}…{text[start + 1 - most :]}"


def _with_short_paths(heads: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[str]]:
    """Return the rows with short paths in the columns `names`; a column in which two would look alike is unchanged."""
    columns = [[row[place] for row in rows] for place in range(len(heads))]
    for place, head in enumerate(heads):
        short = [short_path(cell, LONGEST_PATH) for cell in columns[place]]
        if head in names and len(set(short)) == len(set(columns[place])):
            columns[place] = short
    return [list(cells) for cells in zip(*columns, strict=True)]


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str], width: int, gap: int = RULED_GAP
) -> "Table | None":
    """Return the table with lines between its columns, or without for `GAP`; None if it does not fit `width`."""
    from rich.table import Table
    from rich.text import Text

    widths = _widths(heads, rows, names, width - gap * (len(heads) - 1))
    if widths is None:
        return None
    table = Table(show_edge=False, pad_edge=False)
    if gap == GAP:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for head, columns in zip(heads, widths, strict=True):
        table.add_column(
            Text(head, overflow="fold"), justify="left" if head in names else "right", width=columns, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str], room: int) -> list[int] | None:
    """Return the width of each column within `room` for all; None if figures or the shortest form of names need more.

    A figure is never broken, and its head between its words at the most. Names are folded.
    """
    longest = [max((len(row[place]) for row in rows), default=0) for place in range(len(heads))]
    whole = [max(most, len(head)) for most, head in zip(longest, heads, strict=True)]
    least = [
        min(NAMES_AT_LEAST, wanted) if head in names else max(most, max(map(len, head.split()), default=0))
        for head, most, wanted in zip(heads, longest, whole, strict=True)
    ]
    left = room - sum(least)
    if left < 0:
        return None
    # Names first, the shortest of them first, so that as few as possible are folded.
    for place in sorted(range(len(heads)), key=lambda each: (heads[each] not in names, whole[each])):
        more = min(left, whole[place] - least[place])
        least[place] += more
        left -= more
    return least


def _fits_unfolded(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    longest = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    return sum(longest) + RULED_GAP * (len(heads) - 1) <= width
