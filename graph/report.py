"""A run on one page (`report.html`), which needs no network and no other file, and its picture as a PNG."""

from envdata.atomic import write_text
from graph.folder import RunFolder
from graph.history import load
from graph.page.render import render
from graph.picture import draw


def write_report(folder: RunFolder) -> None:
    """Write the picture and the page from what the folder holds. Raises RunError, GridError."""
    history = load(folder.path)
    draw(history, folder.picture)
    write_text(folder.report, render(history))
