"""Group 5, second part: carrying data from one repeat to another that plays the same questions."""

from sandbox.conformance.case import Case, CaseGroup, attack, refusals

CASES = [
    Case(
        "state in globals",
        CaseGroup.INTEGRITY,
        attack(
            """
            played.append(episode._number)
            builtins.counter = getattr(builtins, "counter", 0) + 1
            assert builtins.counter == len(played), "LEAK: state from another repeat"
            assert len(set(played)) == len(played), "LEAK: a question twice in one process"
            """,
            "import builtins\nplayed = []",
        ),
    ),
    refusals(
        "state in shared memory",
        CaseGroup.INTEGRITY,
        "ctypes, mmap, os; from multiprocessing import shared_memory; libc = ctypes.CDLL(None)",
        [
            "shared_memory.SharedMemory('autotts', create=True, size=4096)",
            "os.memfd_create('autotts')",
            "denied_is_error(libc.shmget(1234, 4096, 0o1666))",
            "denied_is_error(libc.msgget(1234, 0o1666))",
            "denied_is_error(libc.semget(1234, 1, 0o1666))",
            "denied_is_error(libc.mq_open(b'/autotts', os.O_CREAT | os.O_RDWR, 0o666, None))",
            "os.eventfd(0)",
            "os.pipe()",
        ],
    ),
    Case(
        "inherited descriptors",
        CaseGroup.INTEGRITY,
        attack(
            """
            for descriptor in [*range(4, 1100), 2**16 - 1]:
                try:
                    os.fstat(descriptor)
                except OSError:
                    continue
                raise RuntimeError(f"LEAK: descriptor {descriptor} is open")
            """,
            "import os",
        ),
    ),
    refusals(
        "state in shared descriptors",
        CaseGroup.INTEGRITY,
        "fcntl, os, termios",
        [
            *(f"fcntl.fcntl({descriptor}, fcntl.F_SETFL, os.O_NONBLOCK)" for descriptor in (0, 1, 2)),
            "fcntl.fcntl(1, fcntl.F_SETOWN, 1)",
            "fcntl.fcntl(1, 1031, 65536)",
            "fcntl.ioctl(1, termios.FIONREAD, b'1234')",
            "os.set_blocking(2, False)",
            "os.sendfile(1, 0, 0, 10)",
        ],
    ),
    refusals(
        "state in file locks",
        CaseGroup.INTEGRITY,
        "fcntl, os",
        [
            "fcntl.flock(open(os.__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)",
            "fcntl.lockf(open(os.__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)",
            "fcntl.fcntl(open(os.__file__), fcntl.F_SETLEASE, fcntl.F_RDLCK)",
            "fcntl.fcntl(open(os.__file__), 1026, 4)",
        ],
    ),
    refusals(
        "state in the process's names",
        CaseGroup.INTEGRITY,
        "ctypes, os; libc = ctypes.CDLL(None)",
        [
            "denied_is_error(libc.prctl(15, b'state', 0, 0, 0))",
            "os.nice(1)",
            "os.setpriority(os.PRIO_PROCESS, 0, 5)",
            "os.sched_setaffinity(0, {0})",
            "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
            "os.setpgid(0, 0)",
            "os.setsid()",
            "os.umask(0)",
        ],
    ),
    refusals(
        "a sibling's files in /proc",
        CaseGroup.INTEGRITY,
        "os",
        [
            "os.listdir('/proc')",
            *(
                f"[open(f'/proc/{{pid}}/{name}').read() for pid in range(1, 40) if pid != os.getpid() and os.path.exists(f'/proc/{{pid}}')] or 1 / 0"
                for name in ("cmdline", "comm", "stat", "statm", "status", "maps", "environ")
            ),
        ],
    ),
]
