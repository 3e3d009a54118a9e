"""Ctrl-C in a command: once it raises KeyboardInterrupt, as in any Python program; twice it ends the process at once.

A command that is interrupted ends what it has started, which may take a while. Whoever presses Ctrl-C again does not
want to wait: a thread then removes temporary files and ends the process, whatever the main thread is doing. Processes
and containers that it has started end with it.
"""

import _thread
import atexit
import contextlib
import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import Any

from envdata.atomic import remove_partial

EXIT_CODE = 130
"""Exit code of a command that Ctrl-C ended, as of shells."""


class _Watch:
    """Count of interrupts of this process, and the message of its end."""

    lock = threading.Lock()
    woken = -1
    """Descriptor from which the numbers of signals are read; -1 if nothing is watched."""
    received = 0
    message = "stopped"
    printed = False
    interrupted = False


def watch() -> None:
    """Watch for Ctrl-C from now on. To be called once, by the main thread of a process that is a command."""
    _Watch.woken, wake = os.pipe()
    os.set_blocking(wake, False)
    # Python writes the number of each signal that it handles, also while the main thread is in foreign code.
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    threading.Thread(target=_count, name="interrupts", daemon=True).start()
    sys.unraisablehook = _raise_again
    # The first to be registered is the last to be called.
    atexit.register(_exit)


def received() -> bool:
    """Whether Ctrl-C was pressed, if it is watched for. What fails afterwards may have failed for it."""
    if _Watch.woken < 0:
        return False
    with _Watch.lock:
        # The thread may not have read it yet.
        return _Watch.received > 0 or bool(select.select([_Watch.woken], [], [], 0)[0])


def set_message(message: str) -> None:
    """Set the line that is printed if the process ends at once."""
    _Watch.message = message


def mark_printed() -> None:
    """Print no line if the process ends at once: one was printed."""
    _Watch.printed = True


def end(*, interrupted: bool) -> None:
    """Raise no KeyboardInterrupt any more, since the process is about to end. A second Ctrl-C still ends it at once.

    Args:
        interrupted: Whether its exit code is to be `EXIT_CODE`. Python itself ends a process by the signal where an
            interrupt came while `exec` ran, as it does for each named tuple, although it was handled.
    """
    signal.signal(signal.SIGINT, _do_nothing)
    _Watch.interrupted = interrupted


def _do_nothing(number: int, frame: FrameType | None) -> None:
    del number, frame


def _exit() -> None:
    if _Watch.interrupted:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(EXIT_CODE)


def _count() -> None:
    while True:
        select.select([_Watch.woken], [], [])
        with _Watch.lock:
            _Watch.received += os.read(_Watch.woken, 64).count(signal.SIGINT)
        if _Watch.received > 1:
            _end_at_once()


def _end_at_once() -> None:
    if not _Watch.printed:
        # A live view has hidden the cursor.
        shown = "\x1b[?25h" if os.isatty(2) else ""
        with contextlib.suppress(OSError):
            os.write(2, f"{shown}{_Watch.message}\n".encode())
    remove_partial()
    os._exit(EXIT_CODE)


def _raise_again(failure: "sys.UnraisableHookArgs") -> Any:
    """Raise an interrupt again that came while an object was being deleted, where Python would print and forget it."""
    if failure.exc_type is not None and issubclass(failure.exc_type, KeyboardInterrupt):
        # It is counted again, and was not pressed again.
        with _Watch.lock:
            _Watch.received -= 1
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(failure)
