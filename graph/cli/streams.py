"""Standard streams: replaces those that the caller closed, and names standard output in its write errors."""

import fcntl
import io
import os
import sys
from typing import Any

OUTPUT = "standard output"
"""File name of standard output in its write errors."""

CLOSED = (
    f"{OUTPUT} is closed, and what this command prints would be lost; send it to a file, or to /dev/null if only the "
    "files that it writes are wanted"
)


def prepare() -> bool:
    """Open the null device for each standard stream that the caller closed; return whether standard output is open.

    Otherwise the next file to be opened would get the stream's descriptor, and all that is written to the stream.
    Afterwards, errors of writing to standard output have `OUTPUT` as their file name.
    """
    has_input, has_output, has_errors = map(_is_open, range(3))
    # They stay open as long as the process runs: no context manager closes them.
    if not has_input or sys.stdin is None:
        sys.stdin = open(_null(0), encoding="utf-8", closefd=False)  # noqa: SIM115
    if not has_output:
        _null(1)
    if not has_errors or sys.stderr is None:
        sys.stderr = open(_null(2), "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    output = sys.__stdout__
    if has_output and output is not None and sys.stdout is output:
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(1, "w", closefd=False)),
            output.encoding,
            # Paths may hold bytes that are not UTF-8, which are printed as they are.
            "surrogateescape" if output.errors == "strict" else output.errors,
            line_buffering=output.isatty(),
        )
    return has_output


def _is_open(descriptor: int) -> bool:
    """Return whether a descriptor is open in its stream's direction: a shell may have opened its script there."""
    try:
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        return False
    return mode != (os.O_RDONLY if descriptor else os.O_WRONLY)


def _null(descriptor: int) -> int:
    """Open the null device under this descriptor, and return it."""
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
    else:
        os.set_inheritable(descriptor, True)
    return descriptor


class _Output(io.FileIO):
    """Standard output; its first write error is raised with `OUTPUT` as file name, later writes are discarded."""

    _broken = False

    def write(self, data: Any) -> int:
        """Write bytes; return how many were written. Raises OSError on the first failure."""
        if self._broken:
            # The interpreter flushes at exit, which would fail again.
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self._broken = True
            error.filename = OUTPUT
            raise
