"""Ownership marks of containers and control groups, which may outlive their process.

A mark identifies the owning process. A process id is unique only within one PID namespace of one boot, so a mark holds
both. The owner of a mark from another namespace (another container on this kernel, or another machine on the same
engine) cannot be seen from here, and never counts as ended.
"""

import functools
import os
import socket
from pathlib import Path

_SEPARATOR = ":"


@functools.cache
def boot() -> str:
    """Return the id of this boot; the host's name where the kernel has no boot ids."""
    return _read("/proc/sys/kernel/random/boot_id").strip() or socket.gethostname()


def namespace() -> str:
    """Return the inode of this process's PID namespace; empty where /proc shows another namespace's processes."""
    try:
        # /proc may belong to another namespace: its ids are then not those of `os.getpid`.
        if os.readlink("/proc/self") != str(os.getpid()):
            return ""
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""


def owner() -> str:
    """Return this process's mark: boot, PID namespace, process id and start time. A fork of it has another."""
    return _owner(os.getpid())


@functools.cache
def _owner(pid: int) -> str:
    return _SEPARATOR.join((boot(), namespace(), str(pid), started(pid)))


def has_ended(mark: str) -> bool:
    """Whether the process named by a mark (`owner`) is known to have ended; False if it cannot be seen from here."""
    own_place, _, _ = owner().rsplit(_SEPARATOR, 2)
    place, *process = mark.rsplit(_SEPARATOR, 2)
    if place != own_place or not namespace() or len(process) != 2:
        return False
    pid, start = process
    return pid.isdigit() and started(int(pid)) != start


def started(pid: int) -> str:
    """Return the start time of a process of this namespace, in clock ticks since boot; empty if there is none."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
