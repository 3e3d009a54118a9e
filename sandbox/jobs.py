"""Processes of a pool: they end with the one that started them, and keep to a core of their own where they fill all."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized


def cores_for(jobs: int) -> list[int]:
    """The cores that jobs keep to, one each; none where there are more cores than jobs.

    A job's host and its workers act in turn. On one core they find one another's data in its caches, and jobs that fill
    all cores take nothing from one another by staying where they are. With cores to spare the system knows better.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return allowed if len(allowed) <= jobs else []


def begin_job(begun: "Synchronized[int]", cores: Sequence[int]) -> None:
    """Make a job's process, of which so many have `begun`, end with its parent and keep to its core."""
    end_with_parent()
    if cores:
        with begun.get_lock():
            core = cores[begun.value % len(cores)]
            begun.value += 1
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})


def end_with_parent() -> None:
    """End this process, and its sandbox with it, when the one that started it is gone, even by SIGKILL.

    A pool's process waits for work on a pipe that its siblings hold open too: by itself it would wait for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent.sentinel,), daemon=True).start()


def _wait_and_exit(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
