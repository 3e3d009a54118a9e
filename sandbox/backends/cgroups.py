"""Control groups that limit a local sandbox as a whole: memory, processes and processor time.

A group is a folder in the kernel's cgroup file system. Making one needs, in version 2, a subtree that is delegated to
this user (systemd delegates one to a user's services, an administrator a folder named in AUTOTTS_CGROUP); in version 1,
a writable folder in each controller's tree (root has it). `find` looks for such a place and makes a group there as a
trial; where there is none, only the resource limits of each worker hold.
Version 1 is kept because machines that continuous integration runs on have it, as `autotts sandbox check` says there.

Known limit: under version 2, groups are made in the nearest ancestor of our own group that is writable and already
delegates memory and pids, so that the machine's own configuration is not changed. Only in a folder that the user named
are these controllers enabled.
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

from sandbox.backends import ownership
from sandbox.backends.container_limits import ContainerLimits

VARIABLE = "AUTOTTS_CGROUP"
"""Environment variable: a folder to make groups in, or `off`."""

NEEDED, WANTED = ("memory", "pids"), ("memory", "pids", "cpu")

_PERIOD = 100_000
"""Period of the limit on processor time in microseconds: the kernel's default."""

_REMOVE_SECONDS = 10.0

_PREFIX = "autotts."
"""Beginning of a group's name. The owner's PID namespace, process id and start time follow, and a serial number."""

_number = itertools.count()


def own_prefix() -> str:
    """Return the beginning of the names of this process's groups."""
    # Groups do not outlive the boot, so the name leaves out that part of the owner's mark.
    return ".".join([_PREFIX.rstrip("."), *ownership.owner().rsplit(":", 3)[1:], ""])


class NoGroups(RuntimeError):
    """No control group can be made here; the message gives the reason."""


@dataclass(frozen=True)
class Place:
    """The folders in which groups can be made."""

    version: int
    """Version of the cgroup file system, 1 or 2."""
    parents: Mapping[str, Path]
    """Parent folder by controller; in version 2 the same for all."""

    def __str__(self) -> str:
        """Return version and controllers as text."""
        return f"cgroup v{self.version} ({', '.join(sorted(self.parents))})"

    def make(self, options: ContainerLimits, without: frozenset[str] = frozenset()) -> "ControlGroup":
        """Make a group with these limits and return it. Raises OSError if the kernel refuses.

        Args:
            options: The limits.
            without: Controllers whose limits are left out.
        """
        name = f"{own_prefix()}{next(_number)}"
        group = ControlGroup(tuple(dict.fromkeys(parent / name for parent in self.parents.values())))
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
        """Remove the groups whose owning process, in this PID namespace, has ended; return their folders."""
        removed = []
        for parent in set(self.parents.values()):
            for folder in parent.glob(f"{_PREFIX}*"):
                mark = ":".join([ownership.boot(), *folder.name.removeprefix(_PREFIX).split(".")[:-1]])
                if ownership.has_ended(mark) and ControlGroup((folder,)).remove():
                    removed.append(folder)
        return removed


@dataclass(frozen=True)
class ControlGroup:
    """A control group: one folder under version 2, one for each controller under version 1."""

    folders: tuple[Path, ...]

    @property
    def doors(self) -> list[str]:
        """The files to which a process writes its id to enter the group."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def remove(self) -> bool:
        """Kill the processes in the group and remove it; return False if that takes more than `_REMOVE_SECONDS`."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        while not all(map(_removed, self.folders)):
            if time.monotonic() > deadline:
                return False
            for folder in self.folders:
                _end(folder)
            time.sleep(0.002)
        return True


_ALWAYS = frozenset({"memory.max", "pids.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us"})
"""Settings that must exist; the others depend on how the kernel was built."""


def _settings(version: int, controller: str, options: ContainerLimits) -> list[tuple[str, str]]:
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
    except OSError:  # processes in it are still ending
        return False
    return True


def _end(folder: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        for pid in map(int, (folder / "cgroup.procs").read_text().split()):
            if pid > 0:
                os.kill(pid, signal.SIGKILL)


def find(asked: str | None = None, proc: Path = Path("/proc/self")) -> Place:
    """Return the place where groups can be made, after making one as a trial.

    Args:
        asked: Value of AUTOTTS_CGROUP: a folder, `off`, or None to search.
        proc: This process's folder in /proc.

    Raises:
        NoGroups: No group can be made; has the reason.
    """
    if asked == "off":
        raise NoGroups(f"{VARIABLE} is off")
    places = [_named(Path(asked))] if asked else list(_places(proc))
    reasons = []
    for place in places:
        try:
            place.make(ContainerLimits()).remove()
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
    """Return the place that the environment names or that was found, or the reason why there is none. Cached."""
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
    """Yield places that appear to allow groups, the best first."""
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
    """Return the controllers that a version 2 folder enables for its children; empty if a needed one is missing."""
    try:
        handed_on = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return {}
    return {name: folder for name in WANTED if name in handed_on} if set(NEEDED) <= set(handed_on) else {}


def _own(proc: Path) -> dict[str, str]:
    """Return this process's group in each tree, by controller; version 2's under the empty name."""
    own: dict[str, str] = {}
    for line in (proc / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    return own


def _mounts(proc: Path) -> Iterator[tuple[Path, str, str, list[str]]]:
    """Yield the mounted cgroup trees: (mount point, root within the tree, file system type, options)."""
    for line in (proc / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, point = (re.sub(r"\\(\d{3})", _unescaped, text) for text in before.split()[3:5])
            yield Path(point), root, kind, options.split(",")


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))


def _below(point: Path, root: str, own: str) -> Path:
    """Return the folder of our own group in a mounted tree; the mount point if another part is mounted."""
    if own == root or root == "/":
        return point / own.lstrip("/") if root == "/" else point
    return point / own[len(root) :].lstrip("/") if own.startswith(root + "/") else point
