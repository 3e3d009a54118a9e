"""The `bubblewrap` backend: namespaces of its own, a file tree of Python and the worker alone, no privileges."""

import shutil
from pathlib import Path

from sandbox.backends import payload
from sandbox.backends.base import PYTHON_FLAGS, Limits, Running, SandboxUnavailable, clean_environment
from sandbox.backends.local import LocalRunning

WORKER = "/autotts"
"""Where our files are in the sandbox."""

class BubblewrapBackend:
    """Runs the zygote under bwrap, as nobody, without network, /proc, capabilities or a writable file."""

    name = "bubblewrap"

    def launch(self, limits: Limits) -> Running:
        """Start a sandbox; raises SandboxUnavailable if bwrap is not installed."""
        del limits
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise SandboxUnavailable("bubblewrap is not installed (no bwrap on the PATH)")
        return LocalRunning(command(bwrap), {})

def command(bwrap: str) -> list[str]:
    """The whole command line, in the order in which bwrap builds the tree."""
    python = payload.interpreter()
    line = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    line += ["--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--clearenv"]
    for name, value in clean_environment().items():
        line += ["--setenv", name, value]
    line += ["--ro-bind", "/usr", "/usr"]
    for folder in ("/bin", "/lib", "/lib64"):
        if Path(folder).is_symlink():
            line += ["--symlink", str(Path(folder).readlink()), folder]
        elif Path(folder).is_dir():
            line += ["--ro-bind", folder, folder]
    if not python.prefix.is_relative_to("/usr"):
        line += ["--ro-bind", str(python.prefix), str(python.prefix)]
    for hidden in python.hidden:
        line += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    for name, source in payload.files().items():
        line += ["--ro-bind", str(source), f"{WORKER}/{name}"]
    for name, source in payload.packages().items():
        line += ["--ro-bind", str(source), f"{WORKER}/{name}"]
    line += ["--dev", "/dev", "--remount-ro", "/", "--chdir", "/"]
    start = f"import sys; sys.path.insert(0, {WORKER!r}); from sandbox.inside.zygote import main; main()"

    return [*line, "--", str(python.executable), *PYTHON_FLAGS, "-c", start]
