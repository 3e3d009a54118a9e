"""Control groups for sandboxes that no engine makes them for: memory, processes and processor time as a whole.

A group is a folder that the kernel keeps; who may make one depends on the machine, not on rights of ours alone:
version 2 wants a part of its tree that was given to us (systemd does so for a user's own services, an administrator for
a folder named in AUTOTTS_CGROUP), version 1 a writable folder in each controller's tree (root has it). `find` looks
for a place and really makes a group there; where there is none, each worker still has its resource limits.

What is accepted: under version 2 groups are made beside our own, in the nearest part above it that is ours and already
hands memory and processes on, so that nothing of the machine's own arrangement is changed. Only a folder that was named
is told to hand them on.
"""

import contextlib
import functools
import itertools
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.backends.options import Options
from sandbox.backends.ownership import owner, started

VARIABLE = "AUTOTTS_CGROUP"
"""A folder to make groups in, or `off`."""

NEEDED, WANTED = ("memory", "pids"), ("memory", "pids", "cpu")

_PERIOD = 100_000
"""Microseconds in which processor time is shared out: the kernel's default."""

_REMOVE_SECONDS = 10.0

_number = itertools.count()


class NoGroups(RuntimeError):
    """No control group can be made here; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where groups can be made."""

    version: int
    parents: Mapping[str, Path]
    """By controller; in version 2 all the same."""

    def __str__(self) -> str:
        return f"cgroup v{self.version} ({', '.join(sorted(self.parents))})"

    def make(self, options: Options, without: frozenset[str] = frozenset()) -> "Group":
        """A new group with these limits, less those of the named controllers; raises OSError if the kernel refuses."""
        _, pid, start = owner().split(":")
        name = f"autotts-{pid}-{start}-{next(_number)}"
        group = Group(tuple(dict.fromkeys(parent / name for parent in self.parents.values())))
        try:
            for folder in group.folders:
                folder.mkdir()
            for controller, parent in self.parents.items():
                if controller in without:
                    continue
                for file, value in _settings(self.version, controller, options):
                    with contextlib.nullcontext() if file in _ALWAYS else contextlib.suppress(FileNotFoundError):
                        (parent / name / file).write_text(value)
        except BaseException:
            group.remove()
            raise
        return group

    def sweep(self) -> list[Path]:
        """Remove the groups of processes that are no more; returns their folders."""
        removed = []
        for parent in set(self.parents.values()):
            for folder in parent.glob("autotts-*-*-*"):
                _, pid, start, _ = folder.name.split("-", 3)
                if pid.isdigit() and started(int(pid)) != start and Group((folder,)).remove():
                    removed.append(folder)
        return removed


@dataclass(frozen=True)
class Group:
    """A group: one folder under version 2, one for each controller under version 1."""

    folders: tuple[Path, ...]

    @property
    def doors(self) -> list[str]:
        """The files that a process writes its number to, to go in."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def remove(self) -> bool:
        """End whatever is still in it, and remove it; False if the kernel would not in time."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        while not all(map(_removed, self.folders)):
            if time.monotonic() > deadline:
                return False
            for folder in self.folders:
                _end(folder)
            time.sleep(0.002)
        return True


_ALWAYS = frozenset({"memory.max", "pids.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us"})
"""Files that must be there; the others depend on how the kernel was built."""


def _settings(version: int, controller: str, options: Options) -> list[tuple[str, str]]:
    memory, quota = str(options.memory_mb << 20), str(int(options.cpus * _PERIOD))
    both: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
        "memory": (
            [("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)],
            [("memory.max", memory), ("memory.swap.max", "0")],
        ),
        "pids": ([("pids.max", str(options.processes))], [("pids.max", str(options.processes))]),
        "cpu": (
            [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", quota)],
            [("cpu.max", f"{quota} {_PERIOD}")],
        ),
    }
    return both[controller][version - 1]


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # processes in it are on their way out
        return False
    return True


def _end(folder: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        for pid in map(int, (folder / "cgroup.procs").read_text().split()):
            if pid > 0:
                os.kill(pid, signal.SIGKILL)


def find(asked: str | None = None, proc: Path = Path("/proc/self")) -> Place:
    """Where groups can be made, tried out; raises NoGroups with the reason.

    `asked` stands for AUTOTTS_CGROUP: a folder, `off`, or None for looking.
    """
    if asked == "off":
        raise NoGroups(f"{VARIABLE} is off")
    places = [_named(Path(asked))] if asked else list(_places(proc))
    reasons = []
    for place in places:
        try:
            place.make(Options()).remove()
            place.sweep()
        except OSError as error:
            reasons.append(f"{error.strerror} ({error.filename})")
            continue
        return place
    if asked:
        raise NoGroups(f"no group can be made in {asked}, which {VARIABLE} names: {reasons[0]}")
    why = f" ({reasons[0]})" if reasons else ""
    raise NoGroups(f"no control group with memory and pids may be made here{why}; {VARIABLE} can name a place")


@functools.cache
def here() -> Place | NoGroups:
    """The place that the environment names or that was found, or why there is none. Looked for once."""
    try:
        return find(os.environ.get(VARIABLE) or None)
    except NoGroups as reason:
        return reason


def _named(folder: Path) -> Place:
    if (folder / "cgroup.controllers").exists():
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text("+memory +pids")
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text("+cpu")
        return Place(2, _handed_on(folder) or dict.fromkeys(NEEDED, folder))
    raise NoGroups(f"{VARIABLE} is {str(folder)!r}, which is no folder of cgroup v2; give one that is, or `off`")


def _places(proc: Path) -> Iterator[Place]:
    """Places that look as if groups could be made in them, the best first."""
    own = _own(proc)
    for point, root, kind, _ in _mounts(proc):
        if kind != "cgroup2" or "" not in own:
            continue
        folder = _below(point, root, own[""])
        while folder.is_relative_to(point):
            if os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
                parents = _handed_on(folder)
                if parents:
                    yield Place(2, parents)
            folder = folder.parent
    found: dict[str, Path] = {}
    for point, root, kind, controllers in _mounts(proc):
        for controller in controllers if kind == "cgroup" else ():
            if controller in WANTED and controller in own:
                folder = _below(point, root, own[controller])
                if os.access(folder, os.W_OK):
                    found[controller] = folder
    if set(NEEDED) <= set(found):
        yield Place(1, found)


def _handed_on(folder: Path) -> dict[str, Path]:
    """The controllers that a folder of version 2 hands on to groups in it; empty if not all that are needed."""
    try:
        handed_on = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return {}
    return {name: folder for name in WANTED if name in handed_on} if set(NEEDED) <= set(handed_on) else {}


def _own(proc: Path) -> dict[str, str]:
    """This process's place in each tree, by controller; under the empty name that of version 2."""
    own: dict[str, str] = {}
    for line in (proc / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    return own


def _mounts(proc: Path) -> Iterator[tuple[Path, str, str, list[str]]]:
    """Mounted trees: the folder, which part of the tree it shows, the kind, and options, controllers among them."""
    for line in (proc / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, point = (re.sub(r"\\(\d{3})", _unescaped, text) for text in before.split()[3:5])
            yield Path(point), root, kind, options.split(",")


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))


def _below(point: Path, root: str, own: str) -> Path:
    """Where our own place is in a mounted tree; its top if what is mounted is another part."""
    if own == root or root == "/":
        return point / own.lstrip("/") if root == "/" else point
    return point / own[len(root) :].lstrip("/") if own.startswith(root + "/") else point
