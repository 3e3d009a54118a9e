"""Group 6: writing files, executing programs, and leaving files behind."""

from sandbox.conformance.case import Case, CaseGroup, attack, refusals
from sandbox.conformance.secret_search import PLACES

_WRITABLE = (
    "/",
    "/tmp",
    "/dev",
    "/dev/shm",
    "/dev/mqueue",
    "/autotts",
    "/var/tmp",
    "/run",
    "/etc",
    "/usr",
    "/proc/self",
    "/sys",
)

CASES = [
    refusals(
        "writing anywhere", CaseGroup.FILES, "os", [f"open({path + '/autotts-was-here'!r}, 'w')" for path in _WRITABLE]
    ),
    refusals(
        "files without names",
        CaseGroup.FILES,
        "os",
        [f"os.open({path!r}, os.O_TMPFILE | os.O_RDWR)" for path in ("/", "/tmp", "/dev/shm")],
    ),
    refusals(
        "filling the temporary folder",
        CaseGroup.FILES,
        "os",
        ["open(f'/tmp/full-{os.getpid()}', 'wb').write(b'x' * (1 << 27))"],
    ),
    refusals(
        "folders, links, pipes and devices",
        CaseGroup.FILES,
        "os, stat",
        [
            "os.mkdir('/tmp/folder')",
            "os.symlink('/etc/passwd', '/tmp/link')",
            "os.link(os.__file__, '/tmp/hard')",
            "os.mkfifo('/tmp/fifo')",
            "os.mknod('/tmp/device', 0o666 | stat.S_IFCHR, os.makedev(1, 3))",
            "__import__('tempfile').mkdtemp()",
        ],
    ),
    refusals(
        "changing what is there",
        CaseGroup.FILES,
        "os",
        [
            "os.chmod(os.__file__, 0o777)",
            "os.chown(os.__file__, 0, 0)",
            "os.rename(os.__file__, '/tmp/x')",
            "os.unlink(os.__file__)",
            "os.truncate(os.__file__, 0)",
            "os.utime(os.__file__, (0, 0))",
            "os.setxattr(os.__file__, 'user.x', b'x')",
            "open('/dev/null', 'w')",
            "open('/dev/urandom', 'wb')",
            "os.open('/dev/ptmx', os.O_RDONLY)",
        ],
    ),
    refusals(
        "executing",
        CaseGroup.FILES,
        "os, sys",
        [
            "os.execv(sys.executable, [sys.executable, '-c', 'pass'])",
            "os.posix_spawn(sys.executable, [sys.executable, '-V'], {})",
            "os.execv('/bin/sh', ['sh'])",
            "os.system('true') and 1 / 0",
        ],
    ),
    Case(
        "programs with another user's rights",
        CaseGroup.FILES,
        attack(
            """
            if episode._number:
                return None
            for folder, folders, names in places():
                for name in names:
                    mode = os.lstat(os.path.join(folder, name)).st_mode
                    assert not stat.S_ISREG(mode) or not mode & (stat.S_ISUID | stat.S_ISGID), f"LEAK: {folder}/{name}"
            """,
            "import stat" + PLACES,
        ),
    ),
]
