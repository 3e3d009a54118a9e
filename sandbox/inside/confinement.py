"""What a forked worker gives up before it runs a candidate: limits, files, system calls, and its siblings' sight of it.

Each defence has a name, and a test can have it left out to show what it is good for (`--without=NAME,…` on the
zygote's command line, which is the host's).
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Callable

from sandbox.inside import landlock, seccomp

DEFENCES = ("rlimits", "dumpable", "landlock", "seccomp", "closing", "trial")
"""In the order of this file; `closing` and `trial` are the zygote's own."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_SIGKILL = int(signal.SIGKILL)

_PACKAGES = ("greenlet", "numpy", "numpy.libs", "scipy", "scipy.libs")
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")


def switched_off() -> frozenset[str]:
    """The defences that this sandbox's command line leaves out."""
    named = [argument.partition("=")[2].split(",") for argument in sys.argv if argument.startswith("--without=")]
    return frozenset(name for names in named for name in names)


def resource_limits(named: dict[str, int]) -> list[tuple[int, int]]:
    """Limits by the kernel's numbers, those that this system has."""
    kinds = {name: getattr(resource, f"RLIMIT_{name.upper()}", None) for name in named}
    return [(kind, named[name]) for name, kind in kinds.items() if kind is not None]


class Confinement:
    """Prepared once in the zygote, so that each worker has little more to do than the system calls."""

    def __init__(self, without: frozenset[str]) -> None:
        """Closes the zygote itself to its workers too: what is relayed passes through its memory."""
        self._without = without
        self._landlock: Callable[[], None] | None = None
        self._seccomp: Callable[[], None] | None = None
        if sys.platform == "linux":
            self._prctl = ctypes.CDLL(None).prctl
            if "dumpable" not in without:
                self._prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
            if "landlock" not in without:
                self._landlock = landlock.prepared(*readable())
            if "seccomp" not in without:
                self._seccomp = seccomp.prepared()

    def enter(self, limits: list[tuple[int, int]]) -> None:
        """Give up, for good, all but the system calls. Raises OSError where the kernel refuses."""
        if sys.platform == "linux":
            self._step_back()
        if "rlimits" not in self._without:
            for kind, value in limits:
                # At its hard limit on processor time a process is killed like one that took too much memory; at its
                # soft one a second before it gets a signal of its own.
                resource.setrlimit(kind, (value, value + (kind == resource.RLIMIT_CPU)))
        if self._landlock is not None:
            self._landlock()

    def filter(self) -> None:
        """Give up most system calls: the last thing to do, because the rest needs them."""
        if self._seccomp is not None:
            self._seccomp()

    def _step_back(self) -> None:
        """End with the zygote, go first where memory runs out, and be closed to the siblings, who are the same user."""
        self._prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        # A process that is closed to the others cannot write its own files in /proc: it is opened for a moment.
        self._prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        with contextlib.suppress(OSError):
            file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(file, b"1000")
            os.close(file)
        if "dumpable" not in self._without:
            self._prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def readable() -> tuple[list[str], list[str]]:
    """What workers may read (Python, their packages, shared libraries), and the folders where they may see names."""
    files = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *_SYSTEM]
    folders = [entry for entry in sys.path if os.path.isdir(entry)]
    packages = [os.path.join(folder, name) for folder in folders for name in _PACKAGES]
    return [*files, *filter(os.path.isdir, packages)], folders
