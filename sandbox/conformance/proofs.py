"""What each defence is good for: with it switched off, a case fails that passes with it.

Defences overlap on purpose. Where others would save the case they are named as backups, and off in both runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sandbox.backends.base import Backend, Limits
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import DockerBackend
from sandbox.conformance.run import CASES, judge, see
from sandbox.conformance.targets import World
from sandbox.conformance.try_out import play
from sandbox.host import InfrastructureError

MAKERS: dict[str, Callable[[frozenset[str]], Backend]] = {"docker": DockerBackend, "bubblewrap": BubblewrapBackend}
"""Backends that can leave defences out."""

CANARY = ("AUTOTTS_CANARY_KEY", "CANARY-gold-0123456789abcdef")
"""A variable of the environment that stands for a key, while a proof runs."""


class Proof(NamedTuple):
    """One defence of one backend."""

    sandbox: str
    defence: str
    """As the backends' and the worker's `without` name it; `rlimit-…` is a single one of the resource limits."""
    is_: str
    """In words."""
    case: str
    backups: tuple[str, ...] = ()


_INNER = ("seccomp", "landlock", "rlimits")

PROOFS = (
    # ---- what Docker is asked for
    Proof("docker", "net", "--network none", "TCP to the host", ("seccomp", "landlock")),
    Proof("docker", "read-only", "--read-only", "a file in the tree", (*_INNER, "user")),
    Proof("docker", "noexec", "--tmpfs …,noexec", "a program in the temporary folder", (*_INNER, "user")),
    Proof("docker", "nodev", "--tmpfs …,nodev", "a device in the temporary folder", (*_INNER, "user", "capabilities")),
    Proof(
        "docker", "nosuid", "--tmpfs …,nosuid", "a program with another user's rights in the temporary folder", _INNER
    ),
    Proof("docker", "size=64m", "--tmpfs …,size=64m", "filling the temporary folder", (*_INNER, "memory", "user")),
    Proof("docker", "capabilities", "--cap-drop ALL", "powers of root", (*_INNER, "user")),
    Proof(
        "docker", "no-new-privileges", "--security-opt no-new-privileges", "no new privileges", ("seccomp", "landlock")
    ),
    Proof("docker", "engine-seccomp", "the engine's own seccomp profile", "a user namespace", ("seccomp",)),
    Proof("docker", "user", "--user 65534:65534", "nobody's user"),
    Proof("docker", "pids", "--pids-limit", "more processes than a sandbox may have", _INNER),
    Proof("docker", "memory", "--memory", "memory that is used, beyond a sandbox's", ("rlimits",)),
    Proof("docker", "nofile", "--ulimit nofile", "more open files than a sandbox may have", ("rlimits",)),
    Proof("docker", "core", "--ulimit core=0", "core files", ("rlimits",)),
    Proof("docker", "ipc", "--ipc none: no queues of the host", "a message queue of the host", ("seccomp",)),
    Proof("docker", "shm", "--ipc none: no /dev/shm", "files in shared memory", _INNER),
    Proof("docker", "uts", "a host name of its own", "the host's name"),
    Proof("docker", "pid", "processes of its own", "a process of the host", ("seccomp", "landlock", "user")),
    Proof("docker", "environment", "empty environment", "environment"),
    # ---- what bubblewrap is asked for
    Proof("bubblewrap", "net", "--unshare-net", "TCP to the host", ("seccomp", "landlock")),
    Proof("bubblewrap", "pid", "--unshare-pid", "a process of the host", ("seccomp", "landlock")),
    Proof("bubblewrap", "ipc", "--unshare-ipc", "a message queue of the host", ("seccomp",)),
    Proof("bubblewrap", "uts", "--unshare-uts", "the host's name"),
    Proof("bubblewrap", "cgroup", "--unshare-cgroup", "the host's control groups", ("tree", "landlock")),
    Proof("bubblewrap", "user", "--unshare-user, --uid 65534", "nobody's user"),
    Proof("bubblewrap", "nesting", "--disable-userns", "a user namespace", ("seccomp",)),
    Proof("bubblewrap", "capabilities", "--cap-drop ALL", "powers of root", ("seccomp", "landlock", "user")),
    Proof("bubblewrap", "environment", "--clearenv", "environment"),
    Proof("bubblewrap", "tree", "a file tree of its own", "files of the host", ("landlock",)),
    Proof("bubblewrap", "hidden", "other packages look empty", "folders of other packages", ("landlock",)),
    Proof("bubblewrap", "devices", "three devices", "files in shared memory", _INNER),
    Proof("bubblewrap", "read-only", "--remount-ro /", "writing anywhere", _INNER),
    Proof("bubblewrap", "memory", "control group: memory", "memory that is used, beyond a sandbox's", ("rlimits",)),
    Proof("bubblewrap", "pids", "control group: pids", "more processes than a sandbox may have", _INNER),
    # ---- what the worker gives up, wherever it runs
    *(
        Proof(sandbox, defence, words, case, backups)
        for sandbox in ("docker", "bubblewrap")
        for defence, words, case, backups in (
            ("seccomp", "seccomp filter of the worker", "state in shared memory", ()),
            ("rlimits", "resource limits of the worker", "memory mapped", ()),
            ("rlimit-as", "RLIMIT_AS", "memory mapped", ()),
            ("rlimit-nofile", "RLIMIT_NOFILE", "more open files than a sandbox may have", ("nofile",)),
            ("rlimit-core", "RLIMIT_CORE", "core files", ("core",)),
            (
                "rlimit-fsize",
                "RLIMIT_FSIZE",
                "filling the temporary folder",
                ("seccomp", "landlock", "read-only", "memory", "size=64m", "user"),
            ),
            ("closing", "inherited descriptors are closed", "inherited descriptors", ()),
            ("trial", "compiling in a process of its own", "source that takes memory to compile", ()),
        )
    ),
    Proof("docker", "landlock", "Landlock", "a sibling's files in /proc"),
    Proof("bubblewrap", "landlock", "Landlock", "files of the host", ("tree",)),
    Proof("docker", "dumpable", "processes closed to each other", "memory of the zygote", ("landlock",)),
    Proof("bubblewrap", "dumpable", "processes closed to each other", "memory of the zygote", ("tree", "landlock")),
    # Under bubblewrap that root starts, the kernel does not count: nobody is root outside. The control group does.
    Proof("docker", "rlimit-nproc", "RLIMIT_NPROC", "thread bomb", ("seccomp",)),
)


class Proven(NamedTuple):
    """What came of a proof: what the case said in both runs, nothing if it passed."""

    proof: Proof
    with_it: str
    without_it: str

    @property
    def told(self) -> str:
        """What the case came to without the defence, in few words that hold nothing of this machine."""
        return "the attack succeeds" if "LEAK" in self.without_it else self.without_it.partition(":")[0][:80]

    @property
    def holds(self) -> bool:
        """Whether the case passes with the defence and fails without it."""
        return not self.with_it and bool(self.without_it)


@dataclass(frozen=True)
class _Less(Limits):
    """Limits of a worker, one of them left out."""

    left_out: str = ""

    def __post_init__(self) -> None:
        """They were checked already."""

    def for_worker(self, open_files: int = Limits.OPEN_FILES) -> dict[str, int]:
        """All but one."""
        return {name: value for name, value in super().for_worker(open_files).items() if name != self.left_out}


def prove(proof: Proof, targets: World) -> Proven:
    """Run the case with the defence, and without it. CANARY has to be in the environment."""
    left_out = frozenset(proof.backups)
    single = proof.defence.removeprefix("rlimit-") if proof.defence.startswith("rlimit-") else ""
    without = left_out if single else left_out | {proof.defence}
    return Proven(proof, _run(proof, left_out, targets), _run(proof, without, targets, single))


HEAD = """# What each defence of the sandbox is good for

Written by `autotts sandbox prove --record docs/defences.md`: for every defence, a case of the conformance suite that
passes with it was run with it switched off. Defences overlap on purpose; where others would save the case all the same,
they are off in both runs. What the host itself checks and limits is switched off in
`tests/sandbox/conformance/test_without.py`, beginnings and ends in `tests/sandbox/test_lifecycle.py`.
"""


def record(proven: Sequence[Proven]) -> str:
    """A page in Markdown: a table with a line for each proof."""
    lines = [HEAD, "| sandbox | defence | `without` | case | without it | backups that are off in both runs | proven |"]
    lines.append("|---" * 7 + "|")
    for one in proven:
        proof = one.proof
        cells = (proof.sandbox, proof.is_, f"`{proof.defence}`", proof.case, one.told or "it passes too")
        lines.append("| " + " | ".join((*cells, ", ".join(proof.backups), "yes" if one.holds else "NO")) + " |")
    return "\n".join(lines) + "\n"


def _run(proof: Proof, without: frozenset[str], targets: World, limit: str = "") -> str:
    (case,) = (case for case in CASES if case.name == proof.case)
    if limit:
        case = replace(case, limits=_Less(**case.limits.__dict__, left_out=limit))
    backend = MAKERS[proof.sandbox](without)
    try:
        return judge(case, see(play(backend, targets.candidate(case), targets.grid, case.limits)))
    except InfrastructureError as error:
        return f"the sandbox itself failed: {error}"
    finally:
        backend.close()
