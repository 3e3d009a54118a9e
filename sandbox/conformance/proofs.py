"""Proofs of effect of each defence: a case that passes with the defence fails with it switched off.

Defences overlap on purpose. Other defences that would stop the attack too are named as backups, and are off in both
runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sandbox.backends.base import Backend, Limits
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import DockerBackend
from sandbox.conformance.playing import play
from sandbox.conformance.run import CASES, judge, observe
from sandbox.conformance.targets import Targets
from sandbox.host import InfrastructureError

MAKERS: dict[str, Callable[[frozenset[str]], Backend]] = {"docker": DockerBackend, "bubblewrap": BubblewrapBackend}
"""Backends that can leave defences out, by name."""

CANARY = ("AUTOTTS_CANARY_KEY", "CANARY-gold-0123456789abcdef")
"""An environment variable that stands for a key, while a proof runs."""


class Proof(NamedTuple):
    """One defence of one backend, and the case that shows its effect."""

    sandbox: str
    defence: str
    """Its name in the `without` of backends and workers; `rlimit-…` is a single resource limit."""
    is_: str
    """The defence in words."""
    case: str
    """Name of the case."""
    backups: tuple[str, ...] = ()
    """Other defences that would stop the attack, and are off in both runs."""


_FILTERED = (
    ("private futexes alone", "futexes that others can wait at"),
    ("clocks and limits of oneself alone", "clocks and limits of others"),
    ("no counters", "what the kernel counts for all"),
    ("no look at the common output", "the pipe that all print to"),
    ("no look into the page cache", "pages that are shared"),
)
"""Further effects of the system-call filter, each with the case that shows it."""

_INNER = ("seccomp", "landlock", "rlimits")

PROOFS = (
    # ---- settings of Docker
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
    Proof("docker", "shm", "--ipc none: no /dev/shm", "files in shared memory", (*_INNER, "devices")),
    Proof("docker", "uts", "a host name of its own", "the host's name"),
    Proof("docker", "pid", "processes of its own", "a process of the host", ("seccomp", "landlock", "user")),
    Proof("docker", "environment", "empty environment", "environment"),
    Proof("docker", "proc", "/proc is closed", "looking up what others look up"),
    Proof("docker", "sys", "/sys is masked", "looking up what others look up"),
    Proof("docker", "devices", "--tmpfs /dev:ro", "times of what is looked at"),
    Proof("docker", "noatime", "--tmpfs …,noatime", "times of what is looked at", ("landlock",)),
    # ---- settings of bubblewrap
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
    Proof("bubblewrap", "libraries", "needed libraries alone", "libraries that nobody needs", ("landlock",)),
    Proof("bubblewrap", "devices", "three devices", "files in shared memory", _INNER),
    Proof("bubblewrap", "read-only", "--remount-ro /", "writing anywhere", _INNER),
    Proof("bubblewrap", "memory", "control group: memory", "memory that is used, beyond a sandbox's", ("rlimits",)),
    Proof("bubblewrap", "pids", "control group: pids", "more processes than a sandbox may have", _INNER),
    # ---- confinement of the worker, in every backend
    *(
        Proof(sandbox, defence, words, case, backups)
        for sandbox in ("docker", "bubblewrap")
        for defence, words, case, backups in (
            ("seccomp", "seccomp filter of the worker", "state in shared memory", ()),
            *(("seccomp", f"seccomp filter of the worker: {words}", case, ()) for words, case in _FILTERED),
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
            ("wiping", "exit statuses are wiped from the zygote's memory", "how others ended, in memory", ()),
        )
    ),
    Proof("docker", "landlock", "Landlock", "a sibling's files in /proc", ("proc",)),
    Proof("docker", "relay", "the relay is a process that forks no workers", "what others said, in memory"),
    Proof("bubblewrap", "landlock", "Landlock", "files of the host", ("tree",)),
    Proof("docker", "dumpable", "processes closed to each other", "memory of the zygote", ("landlock", "proc")),
    Proof("bubblewrap", "dumpable", "processes closed to each other", "memory of the zygote", ("tree", "landlock")),
    # Under bubblewrap that root starts, the kernel does not count: nobody is root outside. The control group does.
    Proof("docker", "rlimit-nproc", "RLIMIT_NPROC", "thread bomb", ("seccomp",)),
)


class ProofResult(NamedTuple):
    """Result of a proof: the case's failure in both runs, empty where it passed."""

    proof: Proof
    with_it: str
    without_it: str

    @property
    def failure(self) -> str:
        """The case's failure without the defence, in few words that name nothing of this machine."""
        return "the attack succeeds" if "LEAK" in self.without_it else self.without_it.partition(":")[0][:80]

    @property
    def holds(self) -> bool:
        """Whether the case passes with the defence and fails without it."""
        return not self.with_it and bool(self.without_it)


@dataclass(frozen=True)
class _LimitsWithoutOne(Limits):
    """Limits of a worker without one of its resource limits."""

    left_out: str = ""
    """Name of the resource limit that is left out."""

    def __post_init__(self) -> None:
        """Do nothing: the values were checked already."""

    def for_worker(self) -> dict[str, int]:
        """Return the resource limits but the one left out."""
        return {name: value for name, value in super().for_worker().items() if name != self.left_out}


def prove(proof: Proof, targets: Targets) -> ProofResult:
    """Run the proof's case with the defence and without it. `CANARY` has to be in the environment."""
    left_out = frozenset(proof.backups)
    single = proof.defence.removeprefix("rlimit-") if proof.defence.startswith("rlimit-") else ""
    without = left_out if single else left_out | {proof.defence}
    return ProofResult(proof, _run(proof, left_out, targets), _run(proof, without, targets, single))


HEAD = """# Effect of each defence of the sandbox

Written by `autotts sandbox prove --record docs/defences.md`: for every defence, a case of the conformance suite that
passes with it was run with it switched off. Defences overlap on purpose; other defences that would stop the attack too
are off in both runs. The host's own checks and limits are switched off in
`tests/sandbox/conformance/test_without.py`, those of start and end in `tests/sandbox/test_lifecycle.py`.
"""


def record(proven: Sequence[ProofResult]) -> str:
    """Return a Markdown page with a table of one row per proof."""
    lines = [HEAD, "| sandbox | defence | `without` | case | without it | backups that are off in both runs | proven |"]
    lines.append("|---" * 7 + "|")
    for one in proven:
        proof = one.proof
        cells = (proof.sandbox, proof.is_, f"`{proof.defence}`", proof.case, one.failure or "it passes too")
        lines.append("| " + " | ".join((*cells, ", ".join(proof.backups), "yes" if one.holds else "NO")) + " |")
    return "\n".join(lines) + "\n"


def _run(proof: Proof, without: frozenset[str], targets: Targets, limit: str = "") -> str:
    (case,) = (case for case in CASES if case.name == proof.case)
    if limit:
        case = replace(case, limits=_LimitsWithoutOne(**case.limits.__dict__, left_out=limit))
    backend = MAKERS[proof.sandbox](without)
    try:
        return judge(case, observe(play(backend, targets.candidate(case), targets.grid, case.limits, case.repeats)))
    except InfrastructureError as error:
        return f"the sandbox itself failed: {error}"
    finally:
        backend.close()
