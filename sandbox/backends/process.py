"""The `process` backend: limits and a system-call filter, no isolation of files. For development; asked for by name."""

import sys

from sandbox.backends import payload
from sandbox.backends.base import PYTHON_FLAGS, Limits, Running, clean_environment
from sandbox.backends.local import LocalRunning


class ProcessBackend:
    """Runs the zygote as a plain child process with an empty environment.

    On Linux workers have the same resource limits and system-call filter as everywhere; but they can read every file
    that this user can read, grids with their gold answers included.
    """

    name = "process"

    def launch(self, limits: Limits) -> Running:
        """Start a sandbox that is none."""
        del limits
        root = str(payload.INSIDE.parent)
        paths = {root, *(str(folder.parent) for folder in payload.packages().values())}
        start = f"import sys; sys.path[:0] = {sorted(paths)!r}; from sandbox.inside.zygote import main; main()"
        interpreter = str(payload.interpreter().executable)
        return LocalRunning([interpreter or sys.executable, *PYTHON_FLAGS, "-c", start], clean_environment())
