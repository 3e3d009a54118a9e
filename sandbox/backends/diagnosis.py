"""Diagnoses why bubblewrap does not work on this machine, with the exact commands that mend it.

bubblewrap needs a user namespace, and four kinds of machine refuse one with similar messages: Ubuntu from 23.10 on (an
AppArmor rule), containers (a seccomp filter, a profile), kernels with user namespaces switched off, and systems that
are not Linux. Each needs another fix, so the message alone is not enough: `diagnose` is a pure function of the message
and of the kernel's settings, and `observe` collects both by starting bubblewrap.

Known limit: a confinement that leaves no mark (a chroot, an unknown container engine) is found by exclusion only, and
counts as a container, because the remedy is the same: to leave it or to relax it. A message that does not look like a
refusal is reported as printed, without an explanation.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

# What the bubblewrap backend asks for, less the files. --unshare-user first: --unshare-all alone only tries, for root.
TRIAL_ARGUMENTS = (
    *("--unshare-user", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--uid", "65534", "--gid", "65534", "--clearenv", "--ro-bind", "/", "/", "--dev", "/dev", "--remount-ro", "/"),
)
TRIAL_SECONDS = 20.0

_NAMESPACE_REFUSED = re.compile(
    r"No permissions to create (a )?new namespace"
    r"|Creating new namespace failed: (Operation not permitted|Permission denied)"
    r"|Specifying --uid requires --unshare-user"  # what root is told whose try at a user namespace failed
    r"|setting up [ug]id map: (Operation not permitted|Permission denied)"
    r"|loopback: Failed (RTM_NEWADDR|RTM_NEWLINK|to look up loopback)\b"
)
_MOUNT_REFUSED = re.compile(
    r"(Can't mount \w+ on \S+|Failed to make / slave|Failed to mount \w+|pivot_root|Can't bind mount .*)"
    r": (Operation not permitted|Permission denied)"
)
_LIMIT_REACHED = re.compile(r"nesting depth or /proc/sys/user/max_\*_namespaces exceeded")

_INSTALL = {
    "apt-get": "sudo apt-get update && sudo apt-get install -y bubblewrap",
    "dnf": "sudo dnf install -y bubblewrap",
    "pacman": "sudo pacman -S --noconfirm bubblewrap",
    "zypper": "sudo zypper install -y bubblewrap",
    "apk": "sudo apk add bubblewrap",
}


class Cause(StrEnum):
    """Why bubblewrap does not work."""

    NOT_INSTALLED = "not installed"
    APPARMOR = "AppArmor forbids user namespaces"
    CONTAINER = "a container forbids namespaces"
    SWITCHED_OFF = "user namespaces are switched off"
    NOT_LINUX = "not Linux"
    UNKNOWN = "unknown"


class HostFacts(NamedTuple):
    """Facts about the machine, and the result of starting bubblewrap. None means: absent, or not tried."""

    platform: str  # as sys.platform: "linux", "darwin" …
    bwrap: str | None = None  # path of the command
    exit_status: int | None = None  # of the trial; None too when it did not end in time
    stderr: str = ""  # of the trial
    apparmor_restrict: int | None = None  # /proc/sys/kernel/apparmor_restrict_unprivileged_userns
    max_user_namespaces: int | None = None  # /proc/sys/user/max_user_namespaces
    unprivileged_userns_clone: int | None = None  # /proc/sys/kernel/unprivileged_userns_clone, Debian's older switch
    in_container: bool = False
    uid: int = 1000
    sudo: bool = True  # whether the command exists
    package_manager: str | None = None  # the first one found of those that have bubblewrap


class Diagnosis(NamedTuple):
    """Why bubblewrap does not work here, and the commands that mend it. `str()` gives the whole message."""

    cause: Cause
    explanation: str  # one or two sentences
    fix: tuple[str, ...]  # shell commands, and remarks that begin with "#"

    def __str__(self) -> str:
        """Return the message to users."""
        lines = [f"bubblewrap does not work here: {self.explanation}"]
        lines += ["To change that:", *(f"  {line}" for line in self.fix)] if self.fix else []
        if self.cause is not Cause.NOT_LINUX:  # whose fix is Docker already
            lines += ["Or use a Docker engine, if there is one:", "  make run SANDBOX=docker"]
        lines += [
            "Or run candidates unprotected, with nothing but limits on time and memory, if you trust their code:",
            "  make run SANDBOX=process",
        ]
        return "\n".join(lines)


def diagnose(facts: HostFacts) -> Diagnosis | None:
    """Return why bubblewrap does not work, or None if the trial succeeded (whatever the settings are)."""
    if facts.platform != "linux":
        return _not_linux(facts)
    if facts.bwrap is None:
        return _not_installed(facts)
    if facts.exit_status == 0:
        return None
    if _LIMIT_REACHED.search(facts.stderr):
        return _switched_off(facts)
    namespace_refused = _NAMESPACE_REFUSED.search(facts.stderr) is not None
    if namespace_refused and (facts.max_user_namespaces == 0 or facts.unprivileged_userns_clone == 0):
        return _switched_off(facts)
    if namespace_refused or _MOUNT_REFUSED.search(facts.stderr):
        # Ubuntu's rule lets a process make the namespace and then removes its rights in it. A container's filter
        # refuses the namespace itself, also on an Ubuntu host, whose setting is readable inside the container.
        rights_taken = re.search("[ug]id map|loopback", facts.stderr) is not None
        if facts.apparmor_restrict == 1 and (rights_taken or not facts.in_container):
            return _apparmor(facts)
        if namespace_refused or facts.in_container:
            return _container(facts)
    return _unknown(facts)


def _as_root(facts: HostFacts, command: str) -> str:
    """Return a command written with sudo in the form that this user can type."""
    if facts.uid == 0:
        return command.replace("sudo ", "")
    return command if facts.sudo else f"su -c {shlex.quote(command.replace('sudo ', ''))}"


def _not_linux(facts: HostFacts) -> Diagnosis:
    system = "macOS" if facts.platform == "darwin" else facts.platform
    return Diagnosis(
        Cause.NOT_LINUX,
        f"it exists for Linux only, and this is {system}.",
        (
            "# start a Docker engine (Docker Desktop, Colima or Podman's socket), then:",
            "make run SANDBOX=docker",
            "# or run the project in a Linux virtual machine",
        ),
    )


def _not_installed(facts: HostFacts) -> Diagnosis:
    if facts.package_manager is None:
        return Diagnosis(
            Cause.NOT_INSTALLED,
            "it is not installed (no command bwrap on the PATH).",
            ("# install the package bubblewrap with your system's package manager",),
        )
    fix = [_as_root(facts, _INSTALL[facts.package_manager])]
    if facts.package_manager == "apt-get" and facts.uid != 0 and facts.sudo:
        fix += ["# or all in one:", "make run INSTALL=1"]
    return Diagnosis(Cause.NOT_INSTALLED, "it is not installed (no command bwrap on the PATH).", tuple(fix))


def _apparmor(facts: HostFacts) -> Diagnosis:
    profile = (
        "abi <abi/4.0>,",
        "include <tunables/global>",
        f"profile bwrap {facts.bwrap} flags=(unconfined) {{ userns, }}",
    )
    words, file = " ".join(f"'{line}'" for line in profile), "/etc/apparmor.d/bwrap"
    return Diagnosis(
        Cause.APPARMOR,
        "an AppArmor rule (kernel.apparmor_restrict_unprivileged_userns=1, the default of Ubuntu 24.04) forbids user"
        f" namespaces to programs without a profile. bubblewrap says: {_quote(facts)}",
        (
            "# for bubblewrap alone, for good:",
            _as_root(facts, f"printf '%s\\n' {words} | sudo tee {file} && sudo apparmor_parser -r {file}"),
            "# or for every program, until the next start:",
            _as_root(facts, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
            *(("# both on the host, not in the container",) if facts.in_container else ()),
        ),
    )


def _container(facts: HostFacts) -> Diagnosis:
    if facts.in_container:
        where = "this container forbids the namespaces or the mounts that it needs."
    else:
        where = "this process may not make namespaces: it runs in a container, under a seccomp filter or in a chroot."
    return Diagnosis(
        Cause.CONTAINER,
        f"{where} bubblewrap says: {_quote(facts)}",
        (
            "# start the container with these options (--privileged would open far more):",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …",
            "# or run on the host itself",
        ),
    )


def _switched_off(facts: HostFacts) -> Diagnosis:
    if facts.unprivileged_userns_clone == 0:
        setting, value = "kernel.unprivileged_userns_clone", 1
    else:
        setting, value = "user.max_user_namespaces", max(15000, 2 * (facts.max_user_namespaces or 0))
    return Diagnosis(
        Cause.SWITCHED_OFF,
        f"the kernel gives no user namespaces, because of its setting {setting}. bubblewrap says: {_quote(facts)}",
        (
            *(("# on the host, not in the container:",) if facts.in_container else ()),
            _as_root(facts, f"sudo sysctl -w {setting}={value}"),
            "# and to keep it after the next start:",
            _as_root(facts, f"echo {setting}={value} | sudo tee /etc/sysctl.d/60-user-namespaces.conf"),
        ),
    )


def _unknown(facts: HostFacts) -> Diagnosis:
    if facts.exit_status is None:
        what = f"a trial did not end within {TRIAL_SECONDS:g} s."
    else:
        what = f"a trial ended with status {facts.exit_status}, for a reason not known here. It says: {_quote(facts)}"
    return Diagnosis(Cause.UNKNOWN, what, ())


def _quote(facts: HostFacts) -> str:
    """Return the last line that bubblewrap printed; warnings may precede it."""
    lines = facts.stderr.strip().splitlines()
    return lines[-1] if lines else "(nothing)"


def observe(arguments: Sequence[str] = TRIAL_ARGUMENTS) -> HostFacts:
    """Start bubblewrap once with a sandbox's arguments, and read the kernel's settings.

    Takes a few milliseconds; reports all failures in the facts and raises none.
    """
    bwrap = shutil.which("bwrap")
    exit_status, stderr = _try([bwrap, *arguments, "true"]) if bwrap else (None, "")
    return HostFacts(
        platform=sys.platform,
        bwrap=bwrap,
        exit_status=exit_status,
        stderr=stderr,
        apparmor_restrict=_setting("kernel/apparmor_restrict_unprivileged_userns"),
        max_user_namespaces=_setting("user/max_user_namespaces"),
        unprivileged_userns_clone=_setting("kernel/unprivileged_userns_clone"),
        in_container=_in_container(),
        uid=os.getuid(),
        sudo=shutil.which("sudo") is not None,
        package_manager=next((name for name in _INSTALL if shutil.which(name)), None),
    )


def _try(command: list[str]) -> tuple[int | None, str]:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C"},  # messages are compared: no translation
        )
    except subprocess.TimeoutExpired as late:
        return None, (late.stderr or b"").decode(errors="replace")
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stderr.decode(errors="replace")


def _setting(name: str) -> int | None:
    try:
        return int(Path("/proc/sys", name).read_text())
    except (OSError, ValueError):
        return None


def _in_container() -> bool:
    """Whether there is a mark of a container engine: Docker, Podman, systemd-nspawn, LXC, Kubernetes."""
    if any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")):
        return True
    if "container" in os.environ or "KUBERNETES_SERVICE_HOST" in os.environ:
        return True
    try:
        groups = Path("/proc/1/cgroup").read_text()
    except OSError:
        return False
    return re.search(r"/(docker|libpod|lxc|kubepods|containerd)\b|/docker-|/crio-", groups) is not None
