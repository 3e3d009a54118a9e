"""Group 7: system calls, signals, limits and users."""

from sandbox.conformance.case import Case, CaseGroup, attack, refusals

_CALLS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kill": (62, 129),
    "tgkill": (234, 131), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39),
    "unshare": (272, 97), "setns": (308, 268), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "keyctl": (250, 219), "add_key": (248, 217), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "init_module": (175, 105), "kexec_load": (246, 104),
    "reboot": (169, 142), "swapon": (167, 224), "settimeofday": (164, 170), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "prctl": (157, 167), "seccomp": (317, 277), "personality": (135, 92),
    "setuid": (105, 146), "capset": (126, 91), "socket": (41, 198), "memfd_create": (319, 279), "clone": (56, 220),
    "clone3": (435, 435), "openat2": (437, 437), "execve": (59, 221), "inotify_init1": (294, 26), "fanotify_init": (300, 262),
    "mincore": (27, 232), "membarrier": (324, 283), "setrlimit": (160, 164), "sethostname": (170, 161), "ioctl": (16, 29),
}  # fmt: skip
"""System calls with their numbers on x86-64 and aarch64; all must be refused."""

CASES = [
    Case(
        "system calls made directly",
        CaseGroup.KERNEL,
        attack(
            """
            libc = ctypes.CDLL(None, use_errno=True)
            column = 0 if os.uname().machine == "x86_64" else 1
            for name, numbers in CALLS.items():
                ctypes.set_errno(0)
                if libc.syscall(numbers[column], 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in (1, 38):
                    raise RuntimeError(f"LEAK: {name} is not refused: {os.strerror(ctypes.get_errno())}")
            """,
            f"import ctypes, os\nCALLS = {_CALLS!r}",
        ),
    ),
    refusals(
        "signals to others",
        CaseGroup.KERNEL,
        "os, signal",
        [
            "os.kill(-1, signal.SIGKILL)",
            "os.kill(1, signal.SIGKILL)",
            "os.kill(os.getppid(), signal.SIGKILL)",
            "os.kill(os.getpid(), 0)",
            "os.killpg(0, signal.SIGKILL)",
            "[os.kill(pid, signal.SIGSTOP) for pid in range(2, 40)]",
            "os.pidfd_open(1)",
        ],
    ),
    refusals(
        "memory of the zygote",
        CaseGroup.KERNEL,
        "os",
        [
            "open(f'/proc/{os.getppid()}/mem', 'rb')",
            "open('/dev/mem', 'rb')",
            "open('/proc/kcore', 'rb')",
        ],
    ),
    refusals(
        "raising limits",
        CaseGroup.KERNEL,
        "resource",
        [
            f"resource.setrlimit(resource.RLIMIT_{name}, (-1, -1))"
            for name in ("AS", "CPU", "FSIZE", "NOFILE", "CORE", "NPROC")
        ],
    ),
    Case(
        "limits that are in force",
        CaseGroup.KERNEL,
        attack(
            """
            for name, most in {"AS": 1 << 30, "CPU": 1000, "FSIZE": 0, "NOFILE": 64, "CORE": 0, "NPROC": 0}.items():
                soft, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
                assert 0 <= soft <= most and 0 <= hard <= most, f"LEAK: {name} is {soft}, {hard}"
            """,
            "import resource",
        ),
    ),
    refusals(
        "settings of the kernel",
        CaseGroup.KERNEL,
        "os",
        [
            f"open({path!r}, 'w')"
            for path in (
                "/proc/sysrq-trigger",
                "/proc/sys/kernel/core_pattern",
                "/sys/fs/cgroup/cgroup.procs",
                "/proc/self/oom_score_adj",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/kernel/uevent_helper",
                "/proc/self/uid_map",
            )
        ],
    ),
    Case(
        "nobody's user",
        CaseGroup.KERNEL,
        attack(
            "assert os.getuid() == os.geteuid() == 65534 and os.getgid() == os.getegid() == 65534, 'LEAK'", "import os"
        ),
    ),
    refusals(
        "becoming another user", CaseGroup.KERNEL, "os", ["os.setuid(0)", "os.setresuid(0, 0, 0)", "os.setgroups([0])"]
    ),
]
