"""The `bubblewrap` backend: own namespaces, a file tree of only Python and the worker, no privileges."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from sandbox.backends import cgroups, diagnosis, host_limits, payload, staging
from sandbox.backends.base import PYTHON_FLAGS, Backend, Limits, RunningSandbox, SandboxUnavailable, clean_environment
from sandbox.backends.container_limits import ContainerLimits
from sandbox.backends.local import LocalRunning

WORKER, PACKAGES = "/autotts/worker", "/autotts/packages"
"""Folders in the sandbox of the worker's files, and of the packages for candidates."""

NAMESPACES = ("user", "pid", "net", "ipc", "uts")
"""Namespaces that are unshared; the cgroup namespace too where the kernel has it."""

DEVICES = ("null", "zero", "urandom")
"""The whole content of /dev: no terminals, and no /dev/shm, which would be writable."""


class BubblewrapBackend(Backend):
    """Runs the zygote under bwrap, as nobody, without network, /proc, capabilities or a writable file."""

    name = "bubblewrap"

    def __init__(self, without: frozenset[str] = frozenset(), options: ContainerLimits | None = None) -> None:
        """Prepare a backend.

        Args:
            without: Names of defences to leave out, for tests that show the effect of each.
            options: Limits of a sandbox's control group; those of the environment if None.
        """
        self._without = without
        self._options = options or ContainerLimits.from_environment()
        self._command: list[str] | None = None

    def why_not(self) -> str | None:
        """Return the diagnosis of a trial, with the commands that mend it. A trial that succeeded is not repeated."""
        found = trial()
        return None if found is None else str(found)

    def limits_are(self) -> str:
        """Return one line on the limits of a whole sandbox here."""
        place = cgroups.here()
        if isinstance(place, cgroups.NoGroups):
            return f"limits of each worker alone (rlimits): {place}"
        return f"limits of the whole sandbox by {place}, and of each worker by rlimits"

    def launch(self, limits: Limits) -> RunningSandbox:
        """Start a sandbox, in a control group where one can be made (`limits_are`).

        Raises SandboxUnavailable, with reason and remedy, if bubblewrap does not work here or the host's own hard
        limits (`ulimit -H`) are lower than a worker's.
        """
        host_limits.check(limits.for_worker())
        if self._command is None:
            found = trial()
            if found is not None:
                raise SandboxUnavailable(str(found))
            bwrap = shutil.which("bwrap")
            assert bwrap is not None  # noqa: S101 - the trial ran it
            self._command = command(bwrap, self._without)
        environment = dict(os.environ) if "environment" in self._without else {}
        return LocalRunning(self._command, environment, self._group(), wrapped=True)

    def _group(self) -> cgroups.ControlGroup | None:
        place = cgroups.here()
        if isinstance(place, cgroups.NoGroups):
            if os.environ.get(cgroups.VARIABLE, "off") != "off":
                raise SandboxUnavailable(str(place))
            return None
        try:
            return place.make(self._options, self._without)
        except OSError as error:
            raise SandboxUnavailable(
                f"no control group could be made: {error}; {cgroups.VARIABLE}=off does without"
            ) from None

    def close(self) -> None:
        """Do nothing: a sandbox that was killed leaves nothing to release."""


def trial() -> diagnosis.Diagnosis | None:
    """Return why bubblewrap does not work here, None if it does. A success is cached for this process."""
    if _succeeded:
        return None
    found = diagnosis.diagnose(diagnosis.observe())
    if found is None:
        _succeeded.append(True)
    return found


_succeeded: list[bool] = []


def command(bwrap: str, without: frozenset[str] = frozenset()) -> list[str]:
    """Return the whole command line, in the order in which bwrap builds the file tree.

    The root is bwrap's own tmpfs, which is made read-only at the end; everything in it is bound read-only.

    Args:
        bwrap: Path of the program.
        without: Names of defences to leave out.
    """
    python = payload.interpreter()
    line = [bwrap, *(f"--unshare-{name}" for name in NAMESPACES if name not in without)]
    line += ["--new-session"]
    line += [] if "cgroup" in without else ["--unshare-cgroup-try"]
    line += [] if "death" in without else ["--die-with-parent"]
    if "user" not in without:
        line += ["--uid", "65534", "--gid", "65534", *([] if "nesting" in without else no_further_namespaces(bwrap))]
    if "capabilities" not in without:
        line += ["--cap-drop", "ALL"]
    if "uts" not in without:
        line += ["--hostname", "sandbox"]
    if "environment" not in without:
        line += ["--clearenv"]
    for name, value in clean_environment().items():
        line += ["--setenv", name, value]
    line += _tree(python, without) if "tree" not in without else ["--dev-bind", "/", "/", "--proc", "/proc"]
    if "read-only" in without:
        line += ["--tmpfs", "/tmp"]  # noqa: S108 - in the sandbox
    elif "tree" not in without:
        line += ["--remount-ro", "/"]
    line += ["--chdir", "/"]
    if "tree" in without:
        paths = [str(payload.INSIDE.parent), *sorted({str(path.parent) for path in payload.packages().values()})]
    else:
        paths = [WORKER, PACKAGES]
    start = f"import sys; sys.path[:0] = {paths!r}; from sandbox.inside.zygote import main; main()"
    arguments = [f"--without={','.join(sorted(without))}"] if without else []
    arguments += [python.library_option] if "libraries" not in without else []
    return [*line, "--", str(python.executable), *PYTHON_FLAGS, "-c", start, *arguments]


def _tree(python: payload.Interpreter, without: frozenset[str]) -> list[str]:
    line: list[str] = []
    for folder in ("/lib", "/lib64"):
        if Path(folder).is_symlink():
            line += ["--symlink", str(Path(folder).readlink()), folder]
    for path in [*python.shown, *(python.library_folders if "libraries" in without else ())]:
        line += ["--ro-bind", str(path), str(path)]
    for path in () if "hidden" in without else python.hidden:
        line += ["--tmpfs", str(path), "--remount-ro", str(path)]
    ready = staging.staged()
    if ready is not None:
        line += ["--ro-bind", str(ready), WORKER]
    else:
        for name, source in payload.files().items():
            line += ["--ro-bind", str(source), f"{WORKER}/{name}"]
    for name, source in payload.packages().items():
        line += ["--ro-bind", str(source), f"{PACKAGES}/{name}"]
    if "devices" in without:
        return [*line, "--dev", "/dev"]
    for name in DEVICES:
        line += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return line


@functools.cache
def no_further_namespaces(bwrap: str) -> tuple[str, ...]:
    """Return the option that forbids nested user namespaces, where bwrap (0.8 or later) and the kernel have it."""
    option = "--disable-userns"
    tried = [bwrap, "--unshare-user", "--unshare-pid", option, "--ro-bind", "/", "/", "true"]
    works = (
        subprocess.run(tried, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False).returncode == 0
    )
    return (option,) if works else ()
