"""What goes wrong in a candidate, put into words without trusting its objects."""

from sandbox.status import Status

MODULE = "controller"
"""The name that a candidate's module has in its process."""


class Broken(Exception):
    """The candidate, or its answer, breaks the contract."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(why)
        self.status = status


def describe_error(error: BaseException) -> str:
    """An exception in one line, with the line of the controller's file that it came from."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"{MODULE}.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    where = "" if line is None else f" (line {line})"
    return f"{type(error).__name__}: {safely(error)}{where}"


def safely(value: object) -> str:
    """`str(value)`, of a value whose methods may be hostile."""
    try:
        return str(value)[:200]
    except BaseException:
        return "(unprintable)"
