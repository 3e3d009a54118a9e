"""Errors of tools: each is one sentence for the model that called the tool, with the remedy, and no traceback."""

import contextlib
from collections.abc import Iterator

from mcp.server.mcpserver.exceptions import ToolError

from envdata.errors import sentence
from sandbox.sanitize import printable


@contextlib.contextmanager
def tool_errors() -> Iterator[None]:
    """Convert errors that the caller or a user can mend into tool errors of one sentence; all others pass.

    Raises:
        ToolError: The body raised such an error.
    """
    try:
        yield
    except ToolError:
        raise
    except Exception as error:
        message = sentence(error)
        if message is None and isinstance(error, ValueError):
            # Of arguments, such as a β outside 0 … 1.
            message = str(error)
        if message is None:
            raise
        raise ToolError(printable(message)) from error
