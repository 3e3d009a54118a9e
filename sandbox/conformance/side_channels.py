"""Group 5, third part: observing another process through state that the kernel shares among all processes."""

from collections.abc import Sequence

from sandbox.conformance.case import Case, CaseGroup, attack
from sandbox.status import Status

Call = tuple[int | None, int | None, str]
"""A system call's numbers on x86-64 and aarch64, and its arguments as a Python expression over the names in `_TOP`."""

_TOP = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
buffer = ctypes.addressof(kept := ctypes.create_string_buffer(4096))
column = 0 if os.uname().machine == "x86_64" else 1
file = os.open(os.__file__, os.O_RDONLY)
shared = libc.mmap(None, ctypes.c_size_t(8192), 1, 1, file, ctypes.c_long(0))
path = ctypes.addressof(kept_path := ctypes.create_string_buffer(os.__file__.encode()))
nothing = ctypes.addressof(kept_nothing := ctypes.create_string_buffer(b""))
others = [pid for pid in range(1, 40) if pid != os.getpid()]
# A process's complement shifted by three, and which of its times.
others_clocks = [~pid << 3 | kind for pid in (0, *others) for kind in (0, 1, 2, 6)]
"""


def _no_effect(name: str, calls: Sequence[Call]) -> Case:
    """Return a case in which the filter must refuse each call; another error means that the call was executed."""
    table = ",".join(f"({x86}, {arm}, lambda: [{arguments}])" for x86, arm, arguments in calls)
    body = """
    for *numbers, arguments in CALLS:
        if numbers[column] is None:
            continue
        for each in arguments():
            each = each if isinstance(each, tuple) else (each,)
            ctypes.set_errno(0)
            result = libc.syscall(numbers[column], *(ctypes.c_long(one) for one in (*each, *[0] * (6 - len(each)))))
            if result != -1 or ctypes.get_errno() not in (1, 38):
                raise RuntimeError(f"LEAK: call {numbers[column]} {each} gave {result}, {os.strerror(ctypes.get_errno())}")
    """
    return Case(name, CaseGroup.INTEGRITY, attack(body, f"{_TOP}CALLS = [{table}]"))


_FUTEX_OPERATIONS = (*range(14), *range(130, 137), *range(138, 142), 256, 257, 265, 390)
_FLAGS = "os.O_DIRECT, os.O_PATH, os.O_SYNC, os.O_ASYNC"

_MEMORY = r"""
import ctypes, gc, os, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.sbrk.restype = ctypes.c_void_p


def mapped(address):
    libc.access(ctypes.c_void_p(address), 0)
    return ctypes.get_errno() != 14  # EFAULT


def pages():
    # Of this process, near objects, on top of the heap, and in heaps of other threads.
    gc.unfreeze()
    chunks = {id(one) >> 18 for one in gc.get_objects()}
    top, near = libc.sbrk(0) >> 18, ctypes.cast(libc.access, ctypes.c_void_p).value >> 26
    chunks |= {chunk + i for chunk in chunks for i in (-2, -1, 1, 2)} | {top - i for i in range(64)}
    chunks |= {(near - i << 8) + k for i in range(64) if mapped(near - i << 26) for k in range(4)}
    for page in sorted(page for chunk in chunks for page in range(chunk << 18, (chunk + 1) << 18, 4096)):
        if mapped(page):
            yield ctypes.string_at(page, 4096)
"""

CASES = [
    _no_effect(
        "futexes that others can wait at",
        [
            (202, 98, f"*((shared, operation, 1) for operation in {_FUTEX_OPERATIONS})"),
            *((number, number, "(shared, 1, 1)") for number in (449, 454, 455, 456)),
        ],
    ),
    _no_effect(
        "clocks and limits of others",
        [
            (228, 113, "*((clock, buffer) for clock in others_clocks)"),
            (229, 114, "*((clock, buffer) for clock in others_clocks)"),
            (230, 115, "*((clock, 0, buffer) for clock in others_clocks)"),
            (228, 113, "*((clock, buffer) for clock in (8, 9, 10, 12, -1, -5))"),
            (302, 261, "*((pid, 7, 0, buffer) for pid in (os.getpid(), *others))"),
            (204, 123, "*((pid, 128, buffer) for pid in (os.getpid(), *others))"),
            *((x86, arm, "0, 1, *others") for x86, arm in ((121, 155), (124, 156), (145, 120), (140, 141), (252, 31))),
            *(
                (x86, arm, "(0, buffer, buffer), (1, buffer, buffer)")
                for x86, arm in ((148, 127), (125, 90), (143, 121))
            ),
            (312, 272, "(1, os.getpid())"),
        ],
    ),
    _no_effect(
        "what the kernel counts for all",
        [
            (98, 165, "(0, buffer), (-1, buffer), (1, buffer)"),
            *((x86, arm, "buffer") for x86, arm in ((100, 153), (99, 179), (309, 168))),
            (24, 124, "()"),
            *((x86, arm, "(path, buffer), (file, buffer)") for x86, arm in ((137, 43), (138, 44))),
            (103, 116, "(10, buffer, 10), (3, buffer, 4096)"),
            (236, None, "buffer"),
            (239, 236, "(buffer, 0, 0, 0, 0)"),
            (318, 278, "(buffer, 8, 2), (buffer, 8, 3)"),
            (9, 222, "*((0, 1 << 21, 3, flags, -1, 0) for flags in (0x40022, 0x40021))"),
            (149, 228, "(shared, 4096)"),
        ],
    ),
    _no_effect(
        "the pipe that all print to",
        [
            (5, 80, "(1, buffer), (2, buffer)"),
            (262, 79, "*((fd, nothing, buffer, 0x1000) for fd in (1, 2))"),
            (332, 291, "*((fd, nothing, 0x1000, 0xfff, buffer) for fd in (1, 2))"),
            (32, 23, "1, 2"),
            (33, None, "(2, 50)"),
            (292, 24, "(2, 50, 0)"),
            (72, 25, "*((2, command, 50) for command in (0, 1030, 1032, 1027))"),
            (7, None, "(buffer, 1, 0)"),
            (271, 73, "(buffer, 1, 0)"),
            (23, None, "(3, 0, buffer, 0, buffer)"),
            (270, 72, "(3, 0, buffer, 0, buffer)"),
            (291, 20, "0"),
            (16, 29, "(2, 0x541b, buffer)"),
            (328, 287, "(2, buffer, 0, -1, 0, 8)"),
        ],
    ),
    _no_effect(
        "pages that are shared",
        [
            (28, 233, "*((shared, 4096, advice) for advice in (0, 1, 2, 3, 9, 10, 12, 13, 15, 20, 21, 22, 23, 25))"),
            *((x86, arm, "(file, 0, 4096, 0)") for x86, arm in ((187, 213), (221, 223), (277, 84))),
            (27, 232, "(shared, 4096, buffer)"),
            (327, 286, "(file, buffer, 0, 0, 0, 8)"),
            (451, 451, "(file, buffer, buffer, 0)"),
            (26, 227, "(shared, 4096, 1)"),
            (279, 239, "(0, 0, 0, 0, 0, 0)"),
            (216, 234, "(shared, 4096, 0, 0, 0)"),
            (2, None, f"*((path, flag) for flag in ({_FLAGS}))"),
            (257, 56, f"*((-100, path, flag) for flag in ({_FLAGS}))"),
        ],
    ),
    Case(
        "libraries that nobody needs",
        CaseGroup.INTEGRITY,
        attack(
            """
            for path in @UNNEEDED@:
                try:
                    os.close(os.open(path, os.O_RDONLY))
                except OSError:
                    continue
                raise RuntimeError(f"LEAK: {path} can be read")
            """,
            "import os",
        ),
    ),
    Case(
        "looking up what others look up",
        CaseGroup.INTEGRITY,
        attack(
            """
            for path in ("/proc/self", "/proc/1", "/proc/1/stat", f"/proc/{os.getpid()}", "/proc/sys/kernel", "/proc/mounts",
                         "/sys/kernel", "/sys/fs", "/sys/fs/cgroup", "/sys/devices", "/sys/class"):
                refused(os.lstat, path)
                refused(os.readlink, path)
                assert not os.access(path, os.F_OK), f"LEAK: {path} is there"
            """,
            "import os",
        ),
    ),
    Case(
        "times of what is looked at",
        CaseGroup.INTEGRITY,
        attack(
            """
            if episode._number:
                return None
            paths = ["/", "/tmp", "/dev", "/lib", "/lib64", "/usr/lib", os.__file__, os.path.dirname(os.__file__)]
            paths += ["/dev/" + name for name in ("null", "zero", "urandom", "stdin", "stdout", "stderr", "fd", "ptmx", "core")]
            paths = [path for path in paths if os.path.lexists(path)]
            def times():
                every = [os.lstat(path) for path in paths]
                return [(one.st_atime_ns, one.st_mtime_ns, one.st_ctime_ns) for one in every]
            before = times()
            time.sleep(0.05)
            for path in paths:
                for look in (os.readlink, os.stat, os.listdir, lambda path: open(path, "rb").read(8)):
                    try:
                        look(path)
                    except OSError:
                        pass
            for path, one, other in zip(paths, before, times()):
                assert one == other, f"LEAK: {path} was looked at, and its times tell"
            """,
            "import os, time",
        ),
    ),
    Case(
        "what others said, in memory",
        CaseGroup.INTEGRITY,
        attack(
            """
            assert not OTHERS, f"LEAK: earlier workers said {OTHERS}"
            opened = episode.branch(1)
            for size in range(1, 12):
                episode.note((MARK + OWN + check(OWN)).decode("latin-1") * size + "." * size)
                if not opened[0].finished:
                    episode.advance(opened)
            """,
            _MEMORY
            + r"""
import hashlib

MARK, OWN = bytes(byte ^ 0x55 for byte in b"autotts-said:"), os.urandom(8).hex().encode()

def check(text):
    return hashlib.sha256(text).hexdigest()[:4].encode()

OTHERS = set()
for data in pages():
    at = -1
    while (at := data.find(MARK, at + 1)) >= 0:
        text = data[at + len(MARK) : at + len(MARK) + 16]
        if data[at + len(MARK) + 16 : at + len(MARK) + 20] == check(text):
            OTHERS.add(text)
""",
        ),
        repeats=20,
    ),
    Case(
        "how others ended, in memory",
        CaseGroup.INTEGRITY,
        attack(
            """
            assert not FOUND, "LEAK: an earlier worker's exit status is in memory"
            if os.getpid() % 3 == 0:
                os._exit(113)
            """,
            _MEMORY
            + r"""
import re

# The end of a siginfo_t: CLD_EXITED, a gap, the process, the user, the status.
TELLS = re.compile(rb"\x01\x00{7}[^\x00][\s\S]\x00\x00[\s\S]{4}" + struct.pack("<i", 113))

FOUND = any(map(TELLS.search, pages()))
""",
        ),
        (Status.OK, Status.PROTOCOL_ERROR),
        repeats=20,
    ),
]
