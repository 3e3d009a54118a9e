"""Errors of a candidate, and messages about them that do not trust its objects."""

import re

from sandbox.status import Status

MODULE = "controller"
"""Name of a candidate's module in its process."""

_READ = 400
"""Characters that addresses are looked for in, so that the cut goes through none that counts."""
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]{6,16}\b")


class BrokenCandidate(Exception):
    """The candidate cannot be loaded, or breaks the contract; has the status."""

    def __init__(self, status: Status, why: str) -> None:
        """Take the status and the message."""
        super().__init__(why)
        self.status = status


def describe_error(error: BaseException) -> str:
    """Return an exception as one line of text, with the line of the controller's file that it came from."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"{MODULE}.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    where = "" if line is None else f" (line {line})"
    return f"{type(error).__name__}: {safely(error)}{where}"


def safely(value: object) -> str:
    """Return the first 200 characters of `str(value)`, where the value's methods may be hostile.

    Addresses of objects are left out: they differ between processes that do the same.
    """
    try:
        return _ADDRESS.sub("", str(value)[:_READ])[:200]
    except BaseException:
        return "(unprintable)"
