"""The lock on a run's folder: one process at a time works on a run."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from envdata.locks import FolderLock, LockError, LockHeldError
from graph.run.files import RunError


class RunBusy(RunError):
    """Another process holds the run's folder."""


@contextmanager
def lock_run(path: Path) -> Iterator[None]:
    """Lock the folder of a run during the block.

    Raises:
        RunBusy: Another process holds it.
        RunError: It cannot be locked.
    """
    try:
        lock = FolderLock(path)
    except LockHeldError as held:
        raise RunBusy(f"{held}: one process at a time works on a run, and another run needs another --out") from None
    except LockError as error:
        raise RunError(str(error)) from None
    with closing(lock):
        yield
