"""Whose something is that may be left behind: a mark of this process that no later process shares."""

import functools
import os
import socket
from pathlib import Path


@functools.cache
def boot() -> str:
    """This start of this machine; its name where the kernel does not number them."""
    return _read("/proc/sys/kernel/random/boot_id").strip() or socket.gethostname()


def owner() -> str:
    """This process: boot, number and start time. A fork of it is another."""
    return _owner(os.getpid())


@functools.cache
def _owner(pid: int) -> str:
    return f"{boot()}:{pid}:{started(pid)}"


def started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty if there is none."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
