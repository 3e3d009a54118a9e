"""Targets of the attacks, made for the time of a run: canaries in a grid, a listening port, a secret file."""

import contextlib
import ctypes
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envdata.cache import NoCache, cache_folder, home
from envdata.grid import BranchRow, Grid, write_grid
from sandbox.backends import payload
from sandbox.candidate import Candidate
from sandbox.conformance.case import Case

_IPC_CREAT, _IPC_RMID = 0o1000, 0
"""From linux/ipc.h."""


@dataclass(frozen=True)
class Targets:
    """Targets of the attacks on this machine: a grid of canaries, listening sockets, a secret file."""

    grid: Grid
    words: dict[str, str]
    """Replacements of the words between @ in the cases' sources."""

    def candidate(self, case: Case) -> Candidate:
        """Return the case's controller, with this machine's paths and port filled in."""
        source = case.source
        for word, value in self.words.items():
            source = source.replace(f"@{word}@", value)
        return Candidate(case.name, source)


@contextlib.contextmanager
def make_targets() -> Iterator[Targets]:
    """Set the targets up, and remove them at the end of the context."""
    with tempfile.TemporaryDirectory(prefix="autotts-conformance-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        _write_canaries(folder / "grid.parquet")
        (folder / "secret").write_text(f"CANARY-gold-{secrets.token_hex(8)}")
        for file in folder.iterdir():
            file.chmod(0o644)
        folder.chmod(0o755)
        python = payload.interpreter()
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        words = {
            "REPOSITORY": str(Path(__file__).parents[2]),
            "HOME": str(home() or "/root"),
            "CACHE": _cache(),
            "GRID": str(folder / "grid.parquet"),
            "THIS": __file__,
            "SECRET": str(folder / "secret"),
            "PORT": str(listener.getsockname()[1]),
            "ABSTRACT": folder.name,
            "PROCESS": str(os.getpid()),
            "HIDDEN": repr(tuple(map(str, python.hidden))),
            "UNNEEDED": repr(_other_libraries(python)),
            "QUEUE": str(stack.enter_context(_message_queue())),
        }
        if hasattr(socket, "AF_UNIX") and os.uname().sysname == "Linux":
            abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
            abstract.bind(f"\0{words['ABSTRACT']}")
            abstract.listen()
        grid = Grid.load(folder / "grid.parquet")
        words["QUESTIONS"] = repr(tuple(grid.questions))
        yield Targets(grid, words)


_OF_PYTHONS = (
    *("libbz2.", "libcrypt", "libdb", "libexpat", "libffi.", "liblzma.", "libmpdec", "libnsl.", "libsqlite3."),
    *("libssl", "libtirpc.", "libuuid.", "libz."),
)
"""Name prefixes of the libraries that the standard library may be linked with (docs.python.org/3/using/configure.html):
an image has its own Python, which may need some of them where this machine's does not."""


def _other_libraries(python: payload.Interpreter) -> tuple[str, ...]:
    """Return some of this machine's shared libraries that no candidate needs, about 200 at most."""
    all_of_them = (path for folder in python.library_folders for path in folder.glob("*.so*") if path.is_file())
    others = sorted(str(path) for path in {*all_of_them} - {*python.libraries} if not path.name.startswith(_OF_PYTHONS))
    return tuple(others[:: 1 + len(others) // 200])


def _cache() -> str:
    try:
        return str(cache_folder("grids"))
    except NoCache:
        return "/root/.cache/autotts/grids"


@contextlib.contextmanager
def _message_queue() -> Iterator[int]:
    """Make a System V message queue open to all users, and yield its key; 0 where queues do not exist."""
    libc = ctypes.CDLL(None, use_errno=True)
    key = 1 + secrets.randbelow(1 << 30)
    made = libc.msgget(key, _IPC_CREAT | 0o666) if hasattr(libc, "msgget") else -1
    if made == -1:
        yield 0
        return
    try:
        yield key
    finally:
        libc.msgctl(made, _IPC_RMID, None)


def _write_canaries(path: Path) -> None:
    """Write a grid of three questions with four branches, Δ = 10: two intervals, and a last one of 5 tokens.

    Its signal `verifier` has the number of the depth at each depth.
    """
    rows = []
    for question in range(3):
        text = f"CANARY-question-{secrets.token_hex(8)}"
        gold = f"CANARY-gold-{secrets.token_hex(8)}"
        wrong = f"CANARY-answer-{secrets.token_hex(8)}"
        for branch in range(4):
            answer = gold if branch < 3 else wrong
            signals = {"verifier": [1.0, 2.0, 3.0]}
            rows.append(BranchRow(question, text, gold, branch, 25, answer, [wrong, answer], signals=signals))
    write_grid(path, rows, 10, {"source": "conformance"})
