"""A run on one page (`report.html`), with its picture."""

from graph.folder import RunFolder


def write_report(folder: RunFolder) -> None:
    """Write the picture and the page."""
