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

from sandbox.inside import landlock, seccomp

DEFENCES = ("rlimits", "dumpable", "landlock", "seccomp", "closing", "trial")
"""In the order of this file; `closing` and `trial` are the zygote's own."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4

_PACKAGES = ("greenlet", "numpy", "numpy.libs", "scipy", "scipy.libs")
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")


def switched_off() -> frozenset[str]:
    """The defences that this sandbox's command line leaves out."""
    named = [argument.partition("=")[2].split(",") for argument in sys.argv if argument.startswith("--without=")]
    return frozenset(name for names in named for name in names)


class Confinement:
    """Prepared once in the zygote, and entered by each worker."""

    def __init__(self, without: frozenset[str]) -> None:
        """Closes the zygote itself to its workers too: what is relayed passes through its memory."""
        self._without = without
        self._rules: int | None = None
        if sys.platform == "linux":
            if "dumpable" not in without:
                ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
            if "landlock" not in without:
                self._rules = landlock.rules(*readable())

    def enter(self, limits: dict[str, int]) -> None:
        """Give up, for good, all but the system calls. Raises OSError where the kernel refuses."""
        if sys.platform == "linux":
            self._step_back()
        if "rlimits" not in self._without:
            for name, value in limits.items():
                kind = getattr(resource, f"RLIMIT_{name.upper()}", None)
                if kind is not None:
                    resource.setrlimit(kind, (value, value))
        if self._rules is not None:
            landlock.enter(self._rules)

    def filter(self) -> None:
        """Give up most system calls: the last thing to do, because the rest needs them."""
        if sys.platform == "linux" and "seccomp" not in self._without:
            seccomp.confine()

    def _step_back(self) -> None:
        """End with the zygote, go first where memory runs out, and be closed to the siblings, who are the same user."""
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # A process that is closed to the others cannot write its own files in /proc: it is opened for a moment.
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        if "dumpable" not in self._without:
            libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def readable() -> tuple[list[str], list[str]]:
    """What workers may read (Python, their packages, shared libraries), and the folders where they may see names."""
    files = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *_SYSTEM]
    folders = [entry for entry in sys.path if os.path.isdir(entry)]
    packages = [os.path.join(folder, name) for folder in folders for name in _PACKAGES]
    return [*files, *filter(os.path.isdir, packages)], folders
