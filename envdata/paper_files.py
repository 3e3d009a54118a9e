"""Figures and tables as files for a paper: SVG, PDF, CSV, and LaTeX for the package booktabs.

The same figure or table always gives the same bytes: the files hold no date, version or random id.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from envdata.atomic import replacing, write_text

COLUMN, TEXT = 3.35, 6.75
"""Widths in inches of a column and of the text of a conference paper with two columns."""
FONT = 7.5
"""Points of axis labels; other texts keep their proportion to them."""
SCREEN_FONT = 10.0
"""Points of axis labels on a screen, matplotlib's default."""
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': "''",
    "β": r"$\beta$", "γ": r"$\gamma$", "Δ": r"$\Delta$", "κ": r"$\kappa$", "−": "$-$", "–": "--", "…": r"\ldots{}",
    "·": r"$\cdot$", "±": r"$\pm$", "≥": r"$\ge$", "≤": r"$\le$", "×": r"$\times$",
}  # fmt: skip


def write_figure(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write a matplotlib figure as `name.svg` and `name.pdf`, sized for a paper, and return the paths.

    One panel is a column wide, several are as wide as the text. Glyphs are paths in the SVG, which looks the same
    without the fonts, and TrueType in the PDF, as publishers ask for.
    """
    import matplotlib

    _fit(figure)
    paths = []
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path", "pdf.fonttype": 42}):
        for form, metadata in (
            ("svg", {"Date": None, "Creator": None}),
            ("pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
        ):
            paths.append(folder / f"{name}.{form}")
            with replacing(paths[-1]) as temporary:
                figure.savefig(temporary, format=form, metadata=metadata)
    return paths


def _fit(figure: Any) -> None:
    """Give a figure that was laid out for a screen the size of a column or of the text, and its texts theirs."""
    from matplotlib.text import Text

    width, height = figure.get_size_inches()
    columns = max((axes.get_subplotspec().get_gridspec().ncols for axes in figure.axes), default=1)
    scale = FONT / SCREEN_FONT
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend() is not None)]
    for axes in figure.axes:
        axes.tick_params(labelsize=SCREEN_FONT * scale)
    lines = [line for part in (*figure.axes, *legends) for line in part.get_lines()]
    for line in lines:
        line.set_linewidth(line.get_linewidth() * scale)
        line.set_markersize(line.get_markersize() * scale)
    for text in figure.findobj(Text):
        text.set_fontsize(text.get_fontsize() * scale)
    for wanted in (COLUMN, TEXT)[min(columns, 2) - 1 :]:
        # Texts shrink less than the figure does, so that it needs to be higher in proportion.
        figure.set_size_inches(wanted, height * max(scale, wanted / width))
        figure.draw_without_rendering()
        if all(_leaves_room(legend, figure) for legend in legends):
            break


def _leaves_room(legend: Any, figure: Any) -> bool:
    """Whether a legend is no wider than its figure, and takes less than half of its height."""
    extent = legend.get_window_extent()
    return bool(extent.width <= figure.bbox.width and extent.height < figure.bbox.height / 2)


def write_csv(table: pa.Table, path: Path) -> Path:
    """Write a table as CSV and return the path; lists stand as JSON-like text, missing values as empty fields."""
    columns = {
        field.name: _texts(table.column(field.name)) if pa.types.is_nested(field.type) else table.column(field.name)
        for field in table.schema
    }
    plain = pa.table({name: _decoded(column) for name, column in columns.items()})
    # pyarrow opens no path that is not UTF-8.
    with replacing(path) as temporary, temporary.open("wb") as stream:
        pyarrow.csv.write_csv(plain, stream)
    return path


def _texts(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def _decoded(column: Any) -> Any:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def write_latex(
    path: Path, heads: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1, note: str = ""
) -> Path:
    r"""Write a table as a `tabular` of the LaTeX package booktabs, and return the path.

    Args:
        path: File, which a paper takes in by `\input`.
        heads: Headings of the columns.
        rows: Cells of each row as text, as many as there are headings; special characters are escaped here.
        names: Number of columns from the left that hold words; all others hold figures and are set flush right.
        note: A line on what the figures are, for the caption; it stands in a comment.
    """
    lines = [
        r"% \usepackage{booktabs}",
        *([f"% {note}"] if note else []),
        rf"\begin{{tabular}}{{{'l' * names}{'r' * (len(heads) - names)}}}",
        r"\toprule",
        _line(heads),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    write_text(path, "\n".join(lines) + "\n")
    return path


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(latex, cells)) + r" \\"


def latex(text: str) -> str:
    """Return text with LaTeX's special characters escaped; a character that its usual fonts lack becomes `?`."""
    folded = re.sub(r"(?<![^\s(])-(?=\d)", "−", " ".join(text.split()))
    return "".join(_SPECIAL.get(each) or (each if ord(each) < 0x180 and each.isprintable() else "?") for each in folded)


def plain_cells(table: pa.Table) -> list[list[str]]:
    """Return the cells of a table as text: four significant digits, `–` where a value is missing."""
    return [[_cell(value) for value in row.values()] for row in table.to_pylist()]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
