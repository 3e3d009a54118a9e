"""Files that somebody else puts into a folder: taken once, whole, and only if they are plain text of sane size."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sandbox.candidate import MAX_SOURCE

NAMES = "controller*.py"
"""What counts as a controller: `controller.py`, or several, `controller-a.py`, `controller-b.py` …"""
IDEA = "idea.md"
MAX_IDEA = 20_000
"""Characters of an idea that are kept."""


class Unreadable(ValueError):
    """What was put there cannot be taken; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Submission:
    """What was put into a folder for one question."""

    sources: tuple[str, ...]
    """In the order of the files' names."""
    idea: str
    files: tuple[str, ...]
    """Names, those of controllers alone."""


def look(folder: Path) -> Submission | None:
    """What lies in the folder; None if there is no controller. Raises Unreadable.

    Whoever fills the folder may be a program that nobody knows: links, pipes and devices are not opened, and no more
    is read than a candidate may have.
    """
    names = sorted(path.name for path in folder.glob(NAMES)) if folder.is_dir() else []
    if not names:
        return None
    sources = tuple(read_plain(folder / name) for name in names)
    empty = [name for name, source in zip(names, sources, strict=True) if not source.strip()]
    if empty:
        raise Unreadable(f"{folder / empty[0]} is empty")
    idea = read_plain(folder / IDEA).strip()[:MAX_IDEA] if (folder / IDEA).exists() else ""
    return Submission(sources, idea, tuple(names))


def put_away(folder: Path, submission: Submission, where: Path) -> None:
    """Move what was taken out of the way, so that it is not taken again. A file that has gone already is no error."""
    where.mkdir(parents=True, exist_ok=True)
    for name in (*submission.files, IDEA):
        if (folder / name).exists():
            os.replace(folder / name, where / name)


def read_plain(path: Path, limit: int = MAX_SOURCE) -> str:
    """A regular file's text. Raises Unreadable for anything else, more than `limit` bytes, or other than UTF-8."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(f"{path} cannot be opened as a plain file ({error.strerror})") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable(f"{path} is not a plain file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise Unreadable(f"{path} has more than {limit} bytes; that is the limit")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from None
