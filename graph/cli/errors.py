"""Conversion of errors that a user can correct into click's errors, which end a command without a traceback."""

import contextlib
import sys
from collections.abc import Iterator
from typing import IO, Any

import click

from envdata import interrupts


class Interrupted(click.ClickException):
    """Ctrl-C ended the command; the message is one line."""

    exit_code = interrupts.EXIT_CODE

    def __init__(self, message: str = "stopped") -> None:
        """Describe the end by `message`, which may say how to go on."""
        super().__init__(message)

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, as no error, in a line of its own."""
        from sandbox.sanitize import printable

        # A terminal shows ^C in the line that it was pressed in.
        start = "\n" if file is None and sys.stderr.isatty() else ""
        click.echo(start + printable(self.message), file=file, err=file is None)
        interrupts.mark_printed()


@contextlib.contextmanager
def errors_as_click() -> Iterator[None]:
    """Convert errors of the body that a user can correct; all others pass unchanged.

    Raises:
        click.ClickException: the body raised such an error; the text is safe to print on a terminal.
    """
    try:
        yield
    except (click.exceptions.Exit, Interrupted):
        raise
    except KeyboardInterrupt:
        raise Interrupted from None
    except click.Abort as error:
        # What click's questions make of Ctrl-C, and of the end of the input.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise Interrupted from None
        raise
    except Exception as error:
        if interrupts.received():
            # Such as that of a process that the same Ctrl-C ended, or of an import that it cut short.
            raise Interrupted from error
        if isinstance(error, click.ClickException):
            # Subclasses, such as UsageError, quote only what the user typed.
            if type(error) is not click.ClickException:
                raise
            from sandbox.sanitize import printable

            raise click.ClickException(printable(error.message)) from error
        if (converted := click_error(error)) is None:
            raise
        raise converted from error


def click_error(error: BaseException, advice: str = "") -> click.ClickException | None:
    """Return `error` as click's error, followed by `advice`; None for an error that no user can correct."""
    # Imported here: only a command that fails needs them.
    from envdata.errors import sentence
    from graph.cli.streams import OUTPUT
    from sandbox.sanitize import printable

    message = sentence(error)
    if isinstance(error, OSError) and error.filename == OUTPUT:
        # For every error number: the remedy is always another place for the output.
        message = f"{OUTPUT}: {error.strerror}; not all was printed: send it to a file, and look at that"
    return None if message is None else click.ClickException(printable(message + advice))
