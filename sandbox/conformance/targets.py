"""What the cases are after on this machine, made for the time of a run: canaries in a grid, a port, a secret file."""

import contextlib
import ctypes
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envdata.grid import BranchRow, Grid, cache_folder, write_grid
from sandbox.backends import payload
from sandbox.candidate import Candidate
from sandbox.conformance.case import Case

_IPC_CREAT, _IPC_RMID = 0o1000, 0
"""From linux/ipc.h."""


@dataclass(frozen=True)
class World:
    """What the attacks are after on this machine: a grid full of canaries, listening sockets, a secret file …"""

    grid: Grid
    words: dict[str, str]
    """What stands for the words between @ in the sources."""

    def candidate(self, case: Case) -> Candidate:
        """The case's controller, with this machine's paths and port filled in."""
        source = case.source
        for word, value in self.words.items():
            source = source.replace(f"@{word}@", value)
        return Candidate(case.name, source)


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Set the targets up, and take them away again."""
    with tempfile.TemporaryDirectory(prefix="autotts-conformance-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        _write_canaries(folder / "grid.parquet")
        (folder / "secret").write_text(f"CANARY-gold-{secrets.token_hex(8)}")
        for file in folder.iterdir():
            file.chmod(0o644)
        folder.chmod(0o755)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        words = {
            "REPOSITORY": str(Path(__file__).parents[2]),
            "HOME": str(Path.home()),
            "CACHE": str(cache_folder()),
            "GRID": str(folder / "grid.parquet"),
            "THIS": __file__,
            "SECRET": str(folder / "secret"),
            "PORT": str(listener.getsockname()[1]),
            "ABSTRACT": folder.name,
            "PROCESS": str(os.getpid()),
            "HIDDEN": repr(tuple(map(str, payload.interpreter().hidden))),
            "QUEUE": str(stack.enter_context(_message_queue())),
        }
        if hasattr(socket, "AF_UNIX") and os.uname().sysname == "Linux":
            abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
            abstract.bind(f"\0{words['ABSTRACT']}")
            abstract.listen()
        yield World(Grid.load(folder / "grid.parquet"), words)


@contextlib.contextmanager
def _message_queue() -> Iterator[int]:
    """The key of a System V message queue that everybody may use; 0 where there are none."""
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
    """Three questions with four branches, Δ = 10: two intervals, and a last one of 5 tokens."""
    rows = []
    for question in range(3):
        text = f"CANARY-question-{secrets.token_hex(8)}"
        gold = f"CANARY-gold-{secrets.token_hex(8)}"
        wrong = f"CANARY-answer-{secrets.token_hex(8)}"
        for branch in range(4):
            answer = gold if branch < 3 else wrong
            rows.append(BranchRow(question, text, gold, branch, 25, answer, [wrong, answer]))
    write_grid(path, rows, 10, {"source": "conformance"})
