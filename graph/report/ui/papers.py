"""Files of a run for a paper, made when they are first asked for: the same as those of `autotts report --export`."""

import tempfile
from pathlib import Path

from graph.report.export import export_run
from graph.report.ui.runs import Kept, RunState
from graph.run.paths import RunFolder
from graph.run.record import load

TYPES = {".svg": "image/svg+xml", ".pdf": "application/pdf", ".csv": "text/csv", ".tex": "application/x-tex"}
"""Media types by suffix."""


class Papers:
    """Files of runs for a paper, kept until a run has more to show."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: Kept[dict[str, bytes]] = Kept()

    def file(self, name: str, run: RunFolder, wanted: str) -> bytes | None:
        """Return the content of a file such as `rounds.pdf`; None if the run has no such file.

        Raises:
            GridError: A grid of the run cannot be read.
            RunError: The run has no baselines yet, or a file is damaged.
        """

        def make(_: RunState) -> dict[str, bytes]:
            with tempfile.TemporaryDirectory() as folder:
                return {path.name: path.read_bytes() for path in export_run(load(run.path), Path(folder))}

        # Names are looked up among the files that were made: what was asked for is no part of a path.
        return self._kept.get(name, run, make).get(wanted)
