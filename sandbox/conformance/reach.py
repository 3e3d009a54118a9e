"""Groups 3 and 4: reading secrets of the host, and using the network.

Words in capitals between @ are replaced before a case is run, by paths and a port of this machine (`targets.Targets`).
"""

from sandbox.conformance.case import Case, CaseGroup, attack, refusals
from sandbox.conformance.secret_search import PLACES, SEARCH

_PATHS = ("@REPOSITORY@", "@HOME@", "@GRID@", "@CACHE@", "@REPOSITORY@/.git", "@HOME@/.ssh", "/root/.ssh", "/home")

_SECRETS = [
    Case(
        "environment",
        CaseGroup.SECRETS,
        attack(
            """
            known = {"PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "LANG", "LC_CTYPE", "PWD", "PATH", "HOME", "HOSTNAME", "TERM", "container",
                     "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"}
            assert set(os.environ) <= known, f"LEAK: {sorted(set(os.environ) - known)}"
            assert "@CANARY@" not in str(os.environ), "LEAK"
            """.replace('"@CANARY@"', '"CAN" + "ARY"'),
            "import os",
        ),
    ),
    refusals(
        "processes' environments",
        CaseGroup.SECRETS,
        "os",
        [
            f"open('/proc/{pid}/{name}', 'rb').read()"
            for pid in ("1", "self", "2")
            for name in ("environ", "mountinfo", "cgroup", "maps")
        ],
    ),
    refusals(
        "folders of the host",
        CaseGroup.SECRETS,
        "os",
        [f"os.listdir({path!r}) or 1 / 0" for path in _PATHS],
    ),
    refusals(
        "files of the host",
        CaseGroup.SECRETS,
        "os",
        [f"open({path!r}, 'rb').read(1)" for path in ("@GRID@", "@SECRET@", "/etc/passwd", "/etc/hostname", "@THIS@")],
    ),
    refusals(
        "sockets of the engine and the system",
        CaseGroup.SECRETS,
        "os, socket",
        [
            f"socket.socket(socket.AF_UNIX).connect({path!r})"
            for path in (
                "/var/run/docker.sock",
                "/run/docker.sock",
                "/run/dbus/system_bus_socket",
                "/run/systemd/private",
            )
        ],
    ),
    Case(
        "search of all files",
        CaseGroup.SECRETS,
        attack(
            """
            if episode._number:
                return None
            files = 0
            for folder, folders, names in places():
                for name in names:
                    path = os.path.join(folder, name)
                    if path.endswith((".parquet", ".arrow", ".sqlite", "id_rsa")):
                        raise RuntimeError(f"LEAK: {path}")
                    files += 1
                    if path.endswith((".py", ".pyc", ".pyi", ".so")) or path.startswith("/dev/"):
                        continue
                    try:
                        with open(path, "rb") as file:
                            data = file.read(1 << 16)
                    except OSError:
                        continue
                    if hit(data):
                        raise RuntimeError(f"LEAK: a secret is in {path}")
            assert files > 100, files
            """,
            SEARCH + PLACES,
        ),
    ),
]

_NETWORK = [
    refusals(
        name,
        CaseGroup.NETWORK,
        "socket",
        attempts,
    )
    for name, attempts in {
        "TCP to the host": [
            "socket.create_connection(('127.0.0.1', @PORT@), 2)",
            "socket.create_connection(('localhost', @PORT@), 2)",
        ],
        "TCP outside": [
            "socket.create_connection(('192.0.2.1', 80), 1)",
            "socket.create_connection(('172.17.0.1', @PORT@), 1)",
        ],
        "UDP": ["socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', @PORT@))"],
        "names": ["socket.getaddrinfo('example.com', 80)", "socket.gethostbyname('localhost.localdomain.invalid')"],
        "IPv6": [
            "socket.create_connection(('::1', @PORT@), 2)",
            "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::1', @PORT@))",
        ],
        "abstract Unix sockets": [
            "socket.socket(socket.AF_UNIX).bind('\\0autotts')",
            "socket.socket(socket.AF_UNIX).connect('\\0@ABSTRACT@')",
            "socket.socketpair()",
        ],
        "raw sockets": [
            "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
            "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
            "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
            "socket.socket(40, socket.SOCK_STREAM)",
        ],
        "a server": ["socket.create_server(('127.0.0.1', 0))"],
    }.items()
]

CASES = [*_SECRETS, *_NETWORK]
