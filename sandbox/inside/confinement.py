"""Confines a forked worker before it runs a candidate: resource limits, files, system calls, and other processes.

Each defence has a name, and tests can leave it out to show its effect (`--without=NAME,…` on the zygote's command
line, which only the host writes).
"""

import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Callable

from sandbox.inside import landlock, seccomp

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_SIGKILL = int(signal.SIGKILL)

_PACKAGES = ("greenlet", "numpy", "numpy.libs", "scipy", "scipy.libs")
_SYSTEM = ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
"""Folders of shared libraries, in a file tree that holds only the needed ones."""


def switched_off() -> frozenset[str]:
    """Return the defences that this sandbox's command line leaves out."""
    return frozenset(_given("--without=", ","))


def resource_limits(named: dict[str, int]) -> list[tuple[int, int]]:
    """Return (resource number, value) of the named limits that this system has; names without `RLIMIT_`."""
    kinds = {name: getattr(resource, f"RLIMIT_{name.upper()}", None) for name in named}
    return [(kind, named[name]) for name, kind in kinds.items() if kind is not None]


def close_to_others(without: frozenset[str] = frozenset()) -> None:
    """Deny other processes of the same user access to this one's memory and its files in /proc."""
    if sys.platform == "linux" and "dumpable" not in without:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class Confinement:
    """The confinement of workers, prepared once in the zygote so that each worker only makes the system calls."""

    def __init__(self, without: frozenset[str]) -> None:
        """Prepare the defences not named in `without`; also closes the zygote to its workers."""
        self._without = without
        self._landlock: Callable[[], None] | None = None
        self._seccomp: Callable[[], None] | None = None
        if sys.platform == "linux":
            self._prctl = ctypes.CDLL(None).prctl
            close_to_others(without)
            if "landlock" not in without:
                self._landlock = landlock.prepared(*readable())
            if "seccomp" not in without:
                self._seccomp = seccomp.prepared()

    def enter(self, limits: list[tuple[int, int]]) -> None:
        """Apply, for good, all defences but the system-call filter. Raises OSError where the kernel refuses.

        Args:
            limits: Resource limits, as `resource_limits` returns them.
        """
        if sys.platform == "linux":
            self._step_back()
        if "rlimits" not in self._without:
            for kind, value in limits:
                # At the hard limit on processor time the kernel sends SIGKILL, as for lack of memory; at the soft one,
                # a second before, SIGXCPU.
                resource.setrlimit(kind, (value, value + (kind == resource.RLIMIT_CPU)))
        if self._landlock is not None:
            self._landlock()

    def filter(self) -> None:
        """Apply the system-call filter. It comes last, because the other steps need the calls that it forbids."""
        if self._seccomp is not None:
            self._seccomp()

    def _step_back(self) -> None:
        """Make this process end with the zygote, and deny access to its siblings, which run as the same user."""
        self._prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if "dumpable" not in self._without:
            self._prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def readable() -> tuple[list[str], list[str]]:
    """Return the files and folders that workers may read, and the folders that they may list.

    Readable are Python, the packages for candidates, and the shared libraries, which the command line may list:
    `--libraries=/usr/lib/libm.so.6:…`.
    """
    libraries = _given("--libraries=", ":") or _LIBRARIES
    files = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *_SYSTEM, *libraries]
    folders = [entry for entry in sys.path if os.path.isdir(entry)]
    packages = [os.path.join(folder, name) for folder in folders for name in _PACKAGES]
    return [*files, *filter(os.path.isdir, packages)], folders


def _given(option: str, separator: str) -> list[str]:
    """Return the values of an option on the command line."""
    lists = [argument.removeprefix(option).split(separator) for argument in sys.argv if argument.startswith(option)]
    return [name for names in lists for name in names if name]
