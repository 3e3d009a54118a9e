"""The command line that confines an agent to its workspace, the system's programs and two sockets.

Visible paths are an allow list: the system's programs and libraries, a Python without packages, the agent's own program
and the workspace. There is no network (a namespace with a loopback of its own), no other process, no environment of the
host, no home folder, no project, grid, run or key. Project folders inside a visible path are covered by empty ones. A
filter of system calls (`system_calls.py`), which applies to all processes of the agent, refuses access to what
namespaces do not separate.
"""

import base64
import os
import shutil
import sys
import sysconfig
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import envdata
from envdata.cache import home
from graph.explorers.agents import launch, socket_relay, system_calls
from graph.explorers.base import ExplorerError
from sandbox.backends import bubblewrap, payload

WORKSPACE, HOME, TOOLS = "/workspace", "/home/agent", "/autotts"
PACKAGES = f"{TOOLS}/packages"
"""Folder of the packages that candidates may import, numpy among them, for an agent with research data."""
PORT = 8080
"""Port of the agent's model on the loopback of the confinement."""
SYSTEM_FOLDERS = ("/usr/bin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share/git-core", "/etc/alternatives")
SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib64")
MASKED_PROC_FILES = ("keys", "key-users", "timer_list", "sched_debug", "latency_stats", "interrupts", "kcore")
"""Files of /proc with information on the whole machine; they are covered by /dev/null."""
SCRATCH_BYTES = 1 << 30
"""Size of each of /tmp, /dev/shm and the home folder, which are in memory."""


def confined_command(
    argv: Sequence[str],
    *,
    workspace: Path,
    sockets: Path,
    environment: Mapping[str, str],
    read_only: Mapping[Path, str] = MappingProxyType({}),
    secret: Sequence[Path] = (),
    without: Collection[str] = (),
) -> list[str]:
    """Return the command line that runs an agent in its confinement.

    Args:
        argv: The agent's command line, with paths as seen in the confinement.
        workspace: Folder of the host that is writable as `/workspace`.
        sockets: Folder of the host with the model's and the evaluation's socket and the program `evaluate`.
        environment: Variables of the agent, besides PATH, HOME, LANG and TERM.
        read_only: Further files and folders of the host, and their paths in the confinement.
        secret: Folders of the host to be covered by empty ones where they are in a visible folder.
        without: Defences to leave out, for tests of each: `seccomp`, `keyring`, `nesting`.

    Raises:
        ExplorerError: bubblewrap, or the filter of system calls, does not work on this machine.
    """
    problem = bubblewrap.trial()
    bwrap = shutil.which("bwrap")
    if problem is not None or bwrap is None:
        raise ExplorerError(f"an agent is confined with bubblewrap, which does not work here: {problem}")
    python = payload.interpreter()
    line = [str(python.executable), "-I", "-S", launch.__file__]
    line += [*(["--inherit-keyring"] if "keyring" in without else []), "" if "seccomp" in without else _filter(), bwrap]
    line += ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    line += [] if "nesting" in without else bubblewrap.no_further_namespaces(bwrap)
    line += ["--uid", "1000", "--gid", "1000", "--hostname", "agent", "--clearenv"]
    for folder in SYSTEM_LINKS:
        if Path(folder).is_symlink():
            line += ["--symlink", str(Path(folder).readlink()), folder]
        elif Path(folder).is_dir():
            line += ["--ro-bind", folder, folder]
    # A path inside a folder that is mounted read-only is visible already, and cannot be mounted again.
    system = (*SYSTEM_FOLDERS, *SYSTEM_LINKS)
    elsewhere = [path for path in python.shown if not any(path.is_relative_to(folder) for folder in system)]
    for path in [*SYSTEM_FOLDERS, *map(str, elsewhere)]:
        line += ["--ro-bind-try", path, path]
    for hidden in [*python.hidden, *_folders_to_cover([*map(Path, SYSTEM_FOLDERS), *python.shown], secret)]:
        line += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for name in MASKED_PROC_FILES:
        if Path("/proc", name).exists():
            line += ["--dev-bind", "/dev/null", f"/proc/{name}"]
    for folder in ("/dev/shm", "/tmp", HOME):  # noqa: S108 - in the confinement
        line += ["--size", str(SCRATCH_BYTES), "--tmpfs", folder]
    # After /tmp is mounted, since these paths may be below it.
    for file, target in read_only.items():
        line += ["--ro-bind", str(file), target]
        for hidden in _folders_to_cover([file], secret):
            place = f"{target}/{hidden.relative_to(file.resolve())}"
            line += ["--tmpfs", place, "--remount-ro", place]
    for name, source in {"socket_relay.py": Path(socket_relay.__file__), "evaluate": sockets / "evaluate"}.items():
        line += ["--ro-bind", str(source), f"{TOOLS}/{name}"]
    line += ["--ro-bind", str(sockets), str(socket_relay.SOCKETS)]
    line += ["--bind", str(workspace), WORKSPACE, "--chdir", WORKSPACE]
    path_variable = f"{TOOLS}:/usr/bin:/bin:{python.executable.parent}"
    for name, value in {"PATH": path_variable, "HOME": HOME, "LANG": "C.UTF-8", "TERM": "dumb", **environment}.items():
        line += ["--setenv", name, value]
    line += ["--remount-ro", "/"]
    return [*line, "--", str(python.executable), "-I", f"{TOOLS}/socket_relay.py", "run", str(PORT), *argv]


def evaluate_script() -> str:
    """Return the text of the program `evaluate`, which agents call with a draft."""
    python = payload.executable()
    return f'#!/bin/sh\nexec {python} -I {TOOLS}/socket_relay.py evaluate "$@"\n'


def _filter() -> str:
    """Return the filter of system calls in base64. Raises ExplorerError for a machine without a table."""
    try:
        return base64.b64encode(system_calls.filter_program(os.uname().machine)).decode()
    except system_calls.UnsupportedMachine as error:
        raise ExplorerError(f"an agent cannot be confined here: {error}") from None


def _folders_to_cover(visible: Sequence[Path], secret: Sequence[Path]) -> list[Path]:
    """Return the project's, packages' and secret folders that are inside visible ones."""
    private = [Path(envdata.__file__).parents[1], Path(sys.prefix), Path(sysconfig.get_path("purelib"))]
    private += [Path("/usr/lib/python3/dist-packages"), Path.cwd(), *filter(None, [home()]), *secret]
    if os.environ.get("AUTOTTS_CACHE"):
        private.append(Path(os.environ["AUTOTTS_CACHE"]))
    real = {path.resolve() for path in private if path.is_dir()}
    inside = {path for path in real for folder in visible if path != folder.resolve() and path.is_relative_to(folder)}
    return sorted(inside)
