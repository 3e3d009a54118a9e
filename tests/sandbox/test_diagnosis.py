"""Why bubblewrap does not work: the words of real machines, and two machines made to refuse.

The strings were printed by bubblewrap 0.8.0 and 0.12.0 under Docker 20.10 with various options, under a seccomp filter,
in a chroot, and in a user namespace whose limit is 0; the AppArmor ones are those of Ubuntu 24.04.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.backends.diagnosis import Cause, HostFacts, diagnose, observe

DENIED = Path(__file__).parents[1] / "denied.py"
PRINT = (
    "from sandbox.backends.diagnosis import *; found = diagnose(observe()); print(found and found.cause.name, found)"
)

NO_PERMISSIONS = (
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user"
    " namespaces. See <https://deb.li/bubblewrap> or <file:///usr/share/doc/bubblewrap/README.Debian.gz>.\n"
)
NO_PERMISSIONS_UPSTREAM = (
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user"
    " namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'.\n"
)
NO_PERMISSIONS_0_12 = NO_PERMISSIONS.replace("create new", "create a new")
NOT_PERMITTED = "bwrap: Creating new namespace failed: Operation not permitted\n"
LIMIT = "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)\n"
UID_NEEDS = "bwrap: Specifying --uid requires --unshare-user or --userns\n"
UID_MAP = "bwrap: setting up uid map: Permission denied\n"
LOOPBACK = "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted\n"
MASKED_PROC = "bwrap: Can't mount proc on /newroot/proc: Operation not permitted\n"
PIVOT_ROOT = "bwrap: pivot_root: Operation not permitted\n"
SLAVE = "bwrap: Failed to make / slave: Permission denied\n"


def facts(stderr: str = "", exit_status: int | None = 1, **others: object) -> HostFacts:
    usual = {"platform": "linux", "bwrap": "/usr/bin/bwrap", "max_user_namespaces": 96365, "package_manager": "apt-get"}
    return HostFacts(**{**usual, "stderr": stderr, "exit_status": exit_status, **others})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "cause", "command"),
    [
        pytest.param(
            facts(bwrap=None, exit_status=None),
            Cause.NOT_INSTALLED,
            "  sudo apt-get update && sudo apt-get install -y bubblewrap\n  # or all in one:\n  make run INSTALL=1\n",
            id="not installed, user",
        ),
        pytest.param(
            facts(bwrap=None, exit_status=None, uid=0),
            Cause.NOT_INSTALLED,
            "  apt-get update && apt-get install -y bubblewrap\n",
            id="not installed, root",
        ),
        pytest.param(
            facts(bwrap=None, exit_status=None, sudo=False),
            Cause.NOT_INSTALLED,
            "  su -c 'apt-get update && apt-get install -y bubblewrap'\n",
            id="not installed, user of a system without sudo",
        ),
        pytest.param(
            facts(bwrap=None, exit_status=None, package_manager="dnf"),
            Cause.NOT_INSTALLED,
            "  sudo dnf install -y bubblewrap\n",
            id="not installed, Fedora",
        ),
        pytest.param(
            facts(bwrap=None, exit_status=None, package_manager=None),
            Cause.NOT_INSTALLED,
            "package bubblewrap with your system's package manager",
            id="not installed, system without a known package manager",
        ),
        pytest.param(
            facts(bwrap=None, exit_status=None, apparmor_restrict=1, in_container=True, max_user_namespaces=0),
            Cause.NOT_INSTALLED,
            "install -y bubblewrap",
            id="not installed comes before what settings may do later",
        ),
        *(
            pytest.param(
                facts(text, apparmor_restrict=1, in_container=container),
                Cause.APPARMOR,
                "  printf '%s\\n' 'abi <abi/4.0>,' 'include <tunables/global>' 'profile bwrap /usr/bin/bwrap"
                " flags=(unconfined) { userns, }' | sudo tee /etc/apparmor.d/bwrap"
                " && sudo apparmor_parser -r /etc/apparmor.d/bwrap\n",
                id=f"AppArmor, {name}",
            )
            for name, text, container in (
                ("uid map", UID_MAP, False),
                ("loopback", LOOPBACK, False),
                ("namespace", NO_PERMISSIONS_UPSTREAM, False),
                ("in an unfiltered container on Ubuntu", UID_MAP, True),
            )
        ),
        pytest.param(
            facts(UID_MAP, apparmor_restrict=1, bwrap="/opt/bin/bwrap"),
            Cause.APPARMOR,
            "profile bwrap /opt/bin/bwrap flags=",
            id="AppArmor, the profile names this bwrap",
        ),
        *(
            pytest.param(
                facts(text, in_container=marked, **others),
                Cause.CONTAINER,
                "  docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …\n",
                id=f"container, {name}",
            )
            for name, text, marked, others in (
                ("Docker's filter, user", NO_PERMISSIONS, True, {}),
                ("Docker's filter, root", NO_PERMISSIONS, True, {"uid": 0}),
                ("Docker's filter, bubblewrap 0.12", NO_PERMISSIONS_0_12, True, {}),
                ("Docker's filter on an Ubuntu host", NO_PERMISSIONS, True, {"apparmor_restrict": 1}),
                ("root without a user namespace", NOT_PERMITTED, True, {"uid": 0}),
                ("paths masked in /proc", MASKED_PROC, True, {}),
                ("SYS_ADMIN alone", PIVOT_ROOT, True, {}),
                ("mounts refused by Docker's profile", SLAVE, True, {"apparmor_restrict": 1}),
                ("without a mark: seccomp or chroot", NO_PERMISSIONS, False, {}),
            )
        ),
        pytest.param(
            facts(LIMIT, max_user_namespaces=0),
            Cause.SWITCHED_OFF,
            "  sudo sysctl -w user.max_user_namespaces=15000\n",
            id="limit of 0",
        ),
        pytest.param(
            facts(UID_NEEDS, max_user_namespaces=0, uid=0),
            Cause.SWITCHED_OFF,
            "  sysctl -w user.max_user_namespaces=15000\n",
            id="limit of 0, root",
        ),
        pytest.param(
            facts(LIMIT, max_user_namespaces=20000, uid=0),
            Cause.SWITCHED_OFF,
            "  sysctl -w user.max_user_namespaces=40000\n",
            id="limit used up: a higher one",
        ),
        pytest.param(
            facts(LIMIT, max_user_namespaces=0, apparmor_restrict=1, in_container=True),
            Cause.SWITCHED_OFF,
            "  # on the host, not in the container:\n  sudo sysctl -w user.max_user_namespaces=15000\n",
            id="limit of 0 in a container on Ubuntu",
        ),
        pytest.param(
            facts(NO_PERMISSIONS_UPSTREAM, unprivileged_userns_clone=0),
            Cause.SWITCHED_OFF,
            "  sudo sysctl -w kernel.unprivileged_userns_clone=1\n",
            id="Debian's older switch",
        ),
        pytest.param(HostFacts("darwin"), Cause.NOT_LINUX, "this is macOS.\n", id="macOS"),
        pytest.param(HostFacts("freebsd14"), Cause.NOT_LINUX, "this is freebsd14.\n", id="another system"),
        pytest.param(
            HostFacts("darwin", bwrap="/opt/homebrew/bin/bwrap"),
            Cause.NOT_LINUX,
            "virtual machine",
            id="macOS, odd bwrap",
        ),
    ],
)
def test_cause_and_command(seen: HostFacts, cause: Cause, command: str) -> None:
    found = diagnose(seen)
    assert found is not None
    assert found.cause == cause
    assert command in f"{found}\n"
    assert "  make run SANDBOX=process" in str(found).splitlines()
    assert "  make run SANDBOX=docker" in str(found).splitlines()


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(facts(exit_status=0), id="it works"),
        pytest.param(facts(exit_status=0, apparmor_restrict=1), id="it works on Ubuntu: bubblewrap has a profile"),
        pytest.param(facts(exit_status=0, apparmor_restrict=1, uid=0), id="it works on Ubuntu for root"),
        pytest.param(facts(exit_status=0, in_container=True), id="it works in an open container"),
        pytest.param(facts(exit_status=0, max_user_namespaces=0, uid=0), id="it works for root with a limit of 0"),
        pytest.param(facts("bwrap: warning\n" + UID_MAP, exit_status=0), id="it works and prints"),
    ],
)
def test_nothing_to_say_where_it_works(seen: HostFacts) -> None:
    assert diagnose(seen) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("bwrap: execvp true: No such file or directory\n", id="program missing"),
        pytest.param("bwrap: Unknown option --die-with-parent\n", id="an option that an old version lacks"),
        pytest.param("bwrap: Can't find source path /srv/x: No such file or directory\n", id="path missing"),
        pytest.param("bwrap: Can't find source path /srv/x: Permission denied\n", id="path forbidden"),
        pytest.param("bwrap: Can't read /proc/sys/kernel/overflowuid: No such file or directory\n", id="no /proc"),
        pytest.param("bwrap: Can't write data to file /etc/x: No space left on device\n", id="disk full"),
        pytest.param("bwrap: execvp /root/setting: Operation not permitted\n", id="program forbidden"),
        pytest.param("error while loading shared libraries: libcap.so.2: cannot open shared object\n", id="broken"),
        pytest.param("", id="silent"),
    ],
)
@pytest.mark.parametrize(
    "others",
    [
        pytest.param({}, id="plain host"),
        pytest.param({"apparmor_restrict": 1}, id="Ubuntu"),
        pytest.param({"in_container": True}, id="container"),
        pytest.param({"max_user_namespaces": 0}, id="limit of 0"),
    ],
)
def test_other_failures_are_not_explained_away(text: str, others: dict[str, object]) -> None:
    found = diagnose(facts(text, **others))
    assert found is not None
    assert (found.cause, found.fix) == (Cause.UNKNOWN, ())
    assert text.strip() in str(found)
    assert "make run SANDBOX=process" in str(found)


def test_mounts_refused_outside_a_container_stay_unknown() -> None:
    found = diagnose(facts(MASKED_PROC))
    assert found is not None
    assert found.cause == Cause.UNKNOWN


def test_a_trial_that_hangs_is_said_to_hang() -> None:
    found = diagnose(facts(exit_status=None))
    assert found is not None
    assert found.cause == Cause.UNKNOWN
    assert "did not end within 20 s" in found.explanation


@pytest.mark.parametrize("other", [{"uid": 0}, {"sudo": False}], ids=["root", "no sudo"])
def test_nobody_is_told_to_use_a_sudo_that_is_of_no_use(other: dict[str, object]) -> None:
    for seen in (facts(bwrap=None, **other), facts(UID_MAP, apparmor_restrict=1, **other), facts(LIMIT, **other)):
        assert "sudo" not in str(diagnose(seen))
        assert "INSTALL=1" not in str(diagnose(seen))


def test_the_profile_reaches_its_file_whole(tmp_path: Path) -> None:
    """The printed command is typed, with the file in a folder of ours and nothing loaded."""
    written = []
    for sudo in (True, False):
        found = diagnose(facts(UID_MAP, apparmor_restrict=1, sudo=sudo))
        assert found is not None
        command = found.fix[1].replace("/etc/apparmor.d/bwrap", str(tmp_path / "bwrap"))
        command = command.replace("sudo ", "").replace("su -c ", "sh -c ").replace("apparmor_parser", "ls")
        subprocess.run(["sh", "-c", command], check=True)
        written.append((tmp_path / "bwrap").read_text())
    profile = "profile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }"
    assert written == [f"abi <abi/4.0>,\ninclude <tunables/global>\n{profile}\n"] * 2


# ---- real machines ---------------------------------------------------------------------------------------------


def diagnosed(*command: str, path: str | None = None) -> str:
    done = subprocess.run(
        [*command, sys.executable, "-c", PRINT],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": path or "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.bubblewrap
def test_observed_where_it_works() -> None:
    seen = observe()
    assert (seen.exit_status, seen.stderr) == (0, "")
    assert diagnosed().startswith("None")


@pytest.mark.bubblewrap
def test_observed_under_a_filter_that_refuses_namespaces() -> None:
    assert diagnosed(sys.executable, str(DENIED), "seccomp").startswith("CONTAINER")


@pytest.mark.bubblewrap
def test_observed_as_a_user_without_user_namespaces() -> None:
    said = diagnosed(sys.executable, str(DENIED), "limit")
    assert said.startswith("SWITCHED_OFF")
    assert "user.max_user_namespaces=15000" in said


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system is the reason")
def test_observed_without_bubblewrap(tmp_path: Path) -> None:
    assert diagnosed(path=str(tmp_path)).startswith("NOT_INSTALLED")
