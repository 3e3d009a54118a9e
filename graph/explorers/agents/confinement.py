"""The command line that confines an agent: its workspace, the system's programs, two sockets, and nothing else.

What it sees is listed, not what it does not: programs and libraries of the system, a Python without packages, its own
program, the workspace. No network (a namespace with a loopback of its own), no other process, no environment of the
host, no home folder, no project, grid, run or key. Folders of ours that happen to lie in what is shown look empty.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import envdata
from graph.explorers.agents import inside
from graph.explorers.base import ExplorerError
from sandbox.backends import bubblewrap, payload

WORKSPACE, HOME, TOOLS = "/workspace", "/home/agent", "/autotts"
PORT = 8080
"""Where the agent finds its model on its own loopback."""
SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share/git-core", "/etc/alternatives")
LINKS = ("/bin", "/sbin", "/lib", "/lib64")


def command(
    argv: Sequence[str],
    *,
    workspace: Path,
    doors: Path,
    environment: Mapping[str, str],
    shown: Mapping[Path, str] = MappingProxyType({}),
    secret: Sequence[Path] = (),
) -> list[str]:
    """The whole command line. `shown` says where further files and folders are read, `secret` which must look empty.

    Raises ExplorerError where bubblewrap does not work.
    """
    found = bubblewrap.trial()
    bwrap = shutil.which("bwrap")
    if found is not None or bwrap is None:
        raise ExplorerError(f"an agent is confined with bubblewrap, which does not work here: {found}")
    python = payload.interpreter()
    line = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    line += ["--uid", "1000", "--gid", "1000", "--hostname", "agent", "--clearenv"]
    for folder in LINKS:
        if Path(folder).is_symlink():
            line += ["--symlink", str(Path(folder).readlink()), folder]
        elif Path(folder).is_dir():
            line += ["--ro-bind", folder, folder]
    for path in [*SYSTEM, *map(str, python.shown)]:
        line += ["--ro-bind-try", path, path]
    for hidden in [*python.hidden, *_hidden([*map(Path, SYSTEM), *python.shown], secret)]:
        line += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    line += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", HOME]  # noqa: S108 - in there
    # After /tmp, where they may lie.
    for own, where in shown.items():
        line += ["--ro-bind", str(own), where]
    for name, source in {"inside.py": Path(inside.__file__), "evaluate": doors / "evaluate"}.items():
        line += ["--ro-bind", str(source), f"{TOOLS}/{name}"]
    line += ["--ro-bind", str(doors), str(inside.DOORS), "--bind", str(workspace), WORKSPACE, "--chdir", WORKSPACE]
    path_variable = f"{TOOLS}:/usr/bin:/bin:{python.executable.parent}"
    for name, value in {"PATH": path_variable, "HOME": HOME, "LANG": "C.UTF-8", "TERM": "dumb", **environment}.items():
        line += ["--setenv", name, value]
    line += ["--remount-ro", "/"]
    return [*line, "--", str(python.executable), "-I", f"{TOOLS}/inside.py", "run", str(PORT), *argv]


def evaluate_script() -> str:
    """The `evaluate` command of the workspace."""
    python = payload.executable()
    return f'#!/bin/sh\nexec {python} -I {TOOLS}/inside.py evaluate "$@"\n'


def _hidden(shown: Sequence[Path], secret: Sequence[Path]) -> list[Path]:
    """Folders of ours, or with packages, that lie in what is shown."""
    ours = [Path(envdata.__file__).parents[1], Path(sys.prefix), Path(sysconfig.get_path("purelib")), Path.home()]
    ours += [Path("/usr/lib/python3/dist-packages"), Path.cwd(), *secret]
    if os.environ.get("AUTOTTS_CACHE"):
        ours.append(Path(os.environ["AUTOTTS_CACHE"]))
    real = {path.resolve() for path in ours if path.is_dir()}
    below = {path for path in real for folder in shown if path != folder.resolve() and path.is_relative_to(folder)}
    return sorted(below)
