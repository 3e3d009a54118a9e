"""A process pool whose processes end with the one that started them, and are pinned to cores where they fill all.

Unlike the standard library's pool it needs no semaphores, which are files in /dev/shm: in many containers that folder
is absent or read-only. Each process has a pipe of its own, and a thread that waits on it.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, ParamSpec, TypeVar

from envdata.atomic import remove_partial
from sandbox.host import InfrastructureError

_P = ParamSpec("_P")
_R = TypeVar("_R")

_END_SECONDS = 30.0
"""Seconds that a process may take to end, with its sandboxes."""


class ProcessPool:
    """Calls functions in processes of their own, several at a time. A context manager."""

    def __init__(self, size: int, *, fresh: bool = False) -> None:
        """Prepare a pool; nothing is started before the first call.

        Args:
            size: Number of processes that work at the same time.
            fresh: Whether each call gets a new process, which may start further processes.
        """
        self._fresh = fresh
        self._cores = [] if fresh else cores_for(size)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._workers: list[_Worker] = []
        self._started = 0
        self._closed = False
        self._threads = ThreadPoolExecutor(size, "jobs")

    def __enter__(self) -> "ProcessPool":
        """Return the pool itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self.close()

    def submit(self, act: Callable[_P, _R], /, *arguments: _P.args, **more: _P.kwargs) -> "Future[_R]":
        """Call `act` in one of the processes; the function, its arguments and its result must be picklable.

        The future's exception is the one that `act` raised, or InfrastructureError if the process ended.
        """
        return self._threads.submit(self._call, act, arguments, more)

    def close(self) -> None:
        """End the processes: running calls are interrupted, waiting calls are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed, workers = True, list(self._workers)
        for worker in workers:
            worker.interrupt()
        for worker in workers:
            worker.end()
        self._threads.shutdown(wait=True)

    def _call(self, act: Callable[..., Any], arguments: Any, more: Any) -> Any:
        worker: _Worker | None = getattr(self._local, "worker", None)
        if worker is None:
            worker = self._local.worker = self._start()
        try:
            return worker.call(act, arguments, more)
        finally:
            if self._fresh or worker.lost:
                self._local.worker = None
                worker.end()
                with self._lock:
                    self._workers.remove(worker)

    def _start(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise InfrastructureError("the pool is closed")
            core = self._cores[self._started % len(self._cores)] if self._cores else None
            self._started += 1
            # A daemon process may start no processes, and ends with this one even if the pool is never closed.
            worker = _Worker(core, daemon=not self._fresh)
            self._workers.append(worker)
        return worker


class _Worker:
    """A process, and this end of its pipe."""

    def __init__(self, core: int | None, *, daemon: bool) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours: Connection
        self._ours, theirs = spawn.Pipe()
        self._process: SpawnProcess = spawn.Process(target=_serve, args=(theirs, core), daemon=daemon)
        # Which lets interrupts through at its end.
        resource_tracker.ensure_running()
        # It inherits the block, so that Ctrl-C on the terminal does not end it with a traceback while it imports.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._busy = False
        self._ending = threading.Lock()
        self.lost = False
        """Whether the process ended by itself."""

    def call(self, act: Callable[..., Any], arguments: Any, more: Any) -> Any:
        """Return or raise what the function did in the process; InfrastructureError if the process ended."""
        self._busy = True
        try:
            self._ours.send((act, arguments, more))
            returned, value = self._ours.recv()
        except (EOFError, OSError):
            self.lost = True
            raise InfrastructureError(self._how_it_ended()) from None
        finally:
            self._busy = False
        if returned:
            return value
        raise value

    def interrupt(self) -> None:
        """Interrupt the running call as Ctrl-C does; it ends the processes that it has started."""
        if self._busy and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)

    def end(self) -> None:
        """End the process, which is idle or was interrupted, and wait for it."""
        with self._ending:
            if not self._busy:
                self._ours.close()
            self._process.join(_END_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()

    def _how_it_ended(self) -> str:
        with self._ending:
            self._process.join(_END_SECONDS)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"a process of this command ended with exit status {code}"
        why = {
            signal.SIGKILL: ", as the system does it for want of memory or at a limit on processor time (ulimit -Ht)",
            signal.SIGXCPU: ", at its limit on processor time (ulimit -St)",
        }.get(signal.Signals(-code), "")
        return f"a process of this command was ended by signal {-code}{why}"


def cores_for(jobs: int) -> list[int]:
    """Return the cores to pin jobs to, one each; empty where there are more cores than jobs.

    A job's host and its workers act in turn. On one core they find each other's data in its caches, and jobs that use
    all cores lose nothing by being pinned. With cores to spare, the system's scheduler places them better.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return allowed if len(allowed) <= jobs else []


def _serve(pipe: Connection, core: int | None) -> None:
    """Serve calls in the process until the pipe is closed or it is interrupted."""
    _end_with_parent()
    if core is not None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})
    signal.signal(signal.SIGINT, _interrupt_once)
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while True:
            act, arguments, more = pipe.recv()
            try:
                outcome = (True, act(*arguments, **more))
            except Exception as error:
                outcome = (False, _portable(error))
            pipe.send(outcome)


def _interrupt_once(number: int, frame: object) -> None:
    """Interrupt the call, which ends what it has started; another interrupt does not stop it in that."""
    del number, frame
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _portable(error: Exception) -> Exception:
    """Return the error with its traceback as a note; a RuntimeError in its place if it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(text)
    return error


def _end_with_parent() -> None:
    """End this process, and its sandbox with it, when the process that started it ends, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent.sentinel,), daemon=True).start()


def _wait_and_exit(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    remove_partial()
    os._exit(1)
