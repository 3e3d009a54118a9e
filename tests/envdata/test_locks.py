"""A folder has one holder, whose lock ends with it; a file system without locks is told of in a sentence."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from envdata.locks import NAME, FolderLock, LockError, LockHeldError, lock_holders

HOLD = "import sys; from envdata.locks import FolderLock; from pathlib import Path\n"
HOLD += "lock = FolderLock(Path(sys.argv[1])); print(flush=True); input()"


def test_the_second_is_told_who_holds_the_folder_and_a_kill_lets_go(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(
            LockHeldError, match=rf"process {holder.pid} on \S+ works in {tmp_path}; wait for it, or end it"
        ):
            FolderLock(tmp_path)
        holder.kill()
    with closing(FolderLock(tmp_path)):
        assert (tmp_path / NAME).read_text().startswith(f"process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []


def test_within_a_process_there_is_one_holder_too(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    with pytest.raises(LockHeldError):
        FolderLock(tmp_path)
    first.close()
    FolderLock(tmp_path).close()


def test_a_lock_on_a_file_that_its_holder_removed_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, real, seen = FolderLock(tmp_path), fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        if not seen:
            seen.append(os.fstat(descriptor).st_ino)
            holder.close()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with closing(FolderLock(tmp_path)), pytest.raises(LockHeldError):
        FolderLock(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_of(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(descriptor: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(LockError, match=r"has no locks \(.*\), and .*; choose a folder on another one"):
        FolderLock(tmp_path)


@pytest.mark.parametrize("kind", ["absent", "a file", "a link for the lock"])
def test_a_folder_that_takes_no_file(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    if kind == "a file":
        folder.write_text("")
    elif kind != "absent":
        folder.mkdir()
        (tmp_path / "elsewhere").write_text("precious")
        (folder / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LockError, match=r"cannot be written .*; choose another folder"):
        FolderLock(folder)
    if kind.startswith("a link"):
        assert (tmp_path / "elsewhere").read_text() == "precious"


def test_what_stands_in_the_file_is_anybodys_text(tmp_path: Path) -> None:
    with closing(FolderLock(tmp_path)):
        (tmp_path / NAME).write_bytes(b"\x1b[31mred\xff\n" + b"x" * 10_000)
        with pytest.raises(LockHeldError) as held:
            FolderLock(tmp_path)
    assert "\x1b" not in str(held.value)
    assert len(str(held.value)) < 400 + len(str(tmp_path))


def test_on_a_full_disk_the_lock_holds_without_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with closing(FolderLock(tmp_path)), pytest.raises(LockHeldError, match="another process works in"):
        FolderLock(tmp_path)


def test_the_holder_of_a_lock_on_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.sqlite"
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); print(flush=True)"
    command = [sys.executable, "-c", f"{hold}; input()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert lock_holders(path, tmp_path / "absent") == (
            f"process {holder.pid} ({Path(f'/proc/{holder.pid}/comm').read_text().strip()}) on {socket.gethostname()}"
        )
        holder.kill()
    assert lock_holders(path) == "another program"
