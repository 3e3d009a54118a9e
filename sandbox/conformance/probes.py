"""Cases that test single defences: each attacks what one defence prevents.

They are part of the suite, and `proofs` uses them to show the effect of each defence.
"""

from sandbox.conformance.case import Case, CaseGroup, attack, refusals
from sandbox.status import Status

_MEMORY = (Status.OUT_OF_MEMORY,)

CASES = [
    Case(
        "more processes than a sandbox may have",
        CaseGroup.RESOURCES,
        attack(
            """
            children = []
            try:
                for _ in range(200):
                    child = os.fork()
                    if child == 0:
                        time.sleep(600)
                        os._exit(0)
                    children.append(child)
            except OSError:
                pass
            for child in children:
                os.kill(child, 9)
                os.waitpid(child, 0)
            if len(children) == 200:
                raise RuntimeError("LEAK: 200 processes were made")
            """,
            "import os, time",
        ),
    ),
    Case(
        "memory that is used, beyond a sandbox's",
        CaseGroup.RESOURCES,
        attack("if not kept:\n    kept.append(b'x' * (700 << 20))", "kept = []"),
        _MEMORY,
    ),
    Case(
        "more open files than a sandbox may have",
        CaseGroup.RESOURCES,
        attack(
            """
            opened = []
            try:
                for _ in range(400):
                    opened.append(os.open(os.__file__, os.O_RDONLY))
            except OSError:
                pass
            for descriptor in opened:
                os.close(descriptor)
            assert len(opened) < 400, "LEAK: 400 files are open"
            """,
            "import os",
        ),
    ),
    Case(
        "core files",
        CaseGroup.RESOURCES,
        attack("assert resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, 'LEAK: cores are written'", "import resource"),
    ),
    refusals(
        "a message queue of the host",
        CaseGroup.INTEGRITY,
        "ctypes; libc = ctypes.CDLL(None)",
        ["denied_is_error(libc.msgget(@QUEUE@, 0))"],
    ),
    refusals("files in shared memory", CaseGroup.INTEGRITY, "os", ["open('/dev/shm/autotts-was-here', 'w')"]),
    Case(
        "the host's name",
        CaseGroup.SECRETS,
        attack("assert os.uname().nodename in ('sandbox', ''), f'LEAK: {os.uname().nodename}'", "import os"),
    ),
    Case(
        "the host's control groups",
        CaseGroup.SECRETS,
        attack(
            """
            try:
                said = open("/proc/self/cgroup").read()
            except OSError:
                return None
            assert "autotts" not in said and "docker" not in said and "libpod" not in said, f"LEAK: {said}"
            """,
        ),
    ),
    refusals(
        "folders of other packages",
        CaseGroup.SECRETS,
        "os",
        ["[name for folder in @HIDDEN@ for name in os.listdir(folder)] or 1 / 0"],
    ),
    refusals("a process of the host", CaseGroup.KERNEL, "os", ["os.kill(@PROCESS@, 0)"]),
    refusals(
        "powers of root",
        CaseGroup.KERNEL,
        "ctypes, os; libc = ctypes.CDLL(None)",
        ["os.chroot('/')", "denied_is_error(libc.setgroups(1, (ctypes.c_uint * 1)(12345)))"],
    ),
    refusals(
        "a user namespace",
        CaseGroup.KERNEL,
        "ctypes; libc = ctypes.CDLL(None)",
        ["denied_is_error(libc.unshare(0x10000000))"],
    ),
    Case(
        "no new privileges",
        CaseGroup.KERNEL,
        attack(
            "assert libc.prctl(39, 0, 0, 0, 0) != 0, 'LEAK: programs may give new privileges'",
            "import ctypes\nlibc = ctypes.CDLL(None)",
        ),
    ),
    refusals("a file in the tree", CaseGroup.FILES, "os", ["open('/autotts-was-here', 'w')"]),
    refusals(
        "a program in the temporary folder",
        CaseGroup.FILES,
        "mmap, os",
        [
            "(open('/tmp/program', 'wb').write(b'x' * 4096),"
            " mmap.mmap(os.open('/tmp/program', os.O_RDONLY), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))"
        ],
    ),
    refusals(
        "a device in the temporary folder",
        CaseGroup.FILES,
        "os, stat",
        [
            "(os.path.exists('/tmp/device') or os.mknod('/tmp/device', 0o666 | stat.S_IFCHR, os.makedev(1, 3)),"
            " os.open('/tmp/device', os.O_RDONLY))"
        ],
    ),
    refusals(
        "a program with another user's rights in the temporary folder",
        CaseGroup.FILES,
        "ctypes, os; libc = ctypes.CDLL(None)",
        ["os.statvfs('/tmp').f_flag & os.ST_NOSUID and 1 / 0"],
    ),
]
