"""Disks that are full or cannot be written: a sentence with the file's name, nothing damaged, and the run goes on."""

import errno
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from envdata.atomic import naming, write_text
from envdata.errors import sentence
from graph.loop.checkpoints import CheckpointError, sqlite_checkpoints
from graph.run.transcript import Transcript
from tests.graph.running import command, files


def full(number: int, path: str | None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (full(errno.ENOSPC, "run/a.json"), "run/a.json: No space left on device; make room there"),
        (full(errno.EROFS, "a"), "a: Read-only file system; choose a place that can be written"),
        (full(errno.EACCES, "a"), "a: Permission denied; choose a place that can be written"),
        (full(errno.EMFILE, None), "Too many open files; raise the limit (ulimit -n)"),
        (full(errno.EMFILE, "a"), "a: Too many open files; raise the limit (ulimit -n)"),
        (full(errno.EBADF, None), None),
        (full(errno.ENOENT, None), None),
        (OSError("of a library's own"), None),
        (KeyError("a bug"), None),
    ],
)
def test_what_a_user_can_mend_is_a_sentence_and_a_bug_is_none(error: Exception, said: str | None) -> None:
    assert sentence(error) == said


def test_an_error_without_a_file_gets_its_name_and_what_stood_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.json"
    write_text(target, "before")

    def no_room(descriptor: int) -> None:
        raise full(errno.ENOSPC, None)

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space left") as raised:
        write_text(target, "after")
    assert raised.value.filename == str(target)
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(OSError, match="elsewhere"), naming(target):
        raise full(errno.ENOSPC, "elsewhere")


def test_no_model_is_asked_where_its_reply_could_not_be_recorded(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "round-001" / "transcript.jsonl")
    transcript.check_room(1)
    with pytest.raises(OSError, match="No space left") as raised:
        transcript.check_room(1 << 60)
    assert raised.value.filename == str(transcript.path)


@pytest.mark.parametrize(("kind", "remedy"), [("damaged", "is damaged"), ("a folder", "choose a place")])
def test_checkpoints_that_cannot_be_used(kind: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.sqlite"
    path.write_bytes(b"no database" * 1000) if kind == "damaged" else path.mkdir()
    with pytest.raises(CheckpointError, match=rf"{path}: .*; .*{remedy}"), sqlite_checkpoints(path) as saver:
        saver.setup()


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk is mounted by root alone")
@pytest.mark.parametrize("size", [pytest.param(size, marks=pytest.mark.slow) for size in ("64k", "320k")])
def test_a_run_on_a_disk_that_fills_up_goes_on_when_there_is_room(
    size: str, tmp_path: Path, options: tuple[object, ...], finished: Path
) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    run = disk / "run"
    begin = command("discover", *options, "--out", run, "--quiet")
    go_on = shlex.join(command("discover", "--resume", run, "--jobs", 1, "--quiet"))
    script = f"""
        disk="$1"; kept="$2"; shift 2
        mount -t tmpfs -o size={size} none "$disk" || exit 99
        "$@"; code=$?
        mount -o remount,size=64m "$disk"
        {go_on} >/dev/null || exit 98
        cp -r "$disk/run" "$kept"; exit $code
    """
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script, "bash", str(disk), str(kept), *begin],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"Error: {run}/")
    assert done.stderr.endswith(f"once that is mended: autotts discover --resume {run}\n")
    assert done.stderr.count("\n") == 1
    assert files(kept) == files(finished)
