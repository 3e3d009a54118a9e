"""Controllers that a person or a program submits as files in a folder.

The program may be hostile: files are read whole, once, and only as plain text, and the folder's entries, the number of
files and the bytes of each and of all are checked against limits before they are read.
"""

import fnmatch
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from envdata.plain_text import plain
from envdata.text_files import TextFileError, decode
from graph.explorers.base import Brief, Proposal
from graph.explorers.safe_writes import move_beneath
from graph.run.transcript import Transcript
from sandbox.candidate import MAX_SOURCE

CONTROLLER_FILES = "controller*.py"
"""Pattern of the controllers' names: `controller.py`, or `controller-a.py`, `controller-b.py` and so on."""
IDEA_FILE = "idea.md"
MAX_IDEA = 20_000
"""Characters of an idea that are kept."""
MAX_ENTRIES = 10_000
"""Limit of files and folders directly in the submission folder."""
MAX_FILES = 64
"""Default limit of controllers that are read."""
MAX_TOGETHER = 4 << 20
"""Limit of the characters of all controllers together."""
_NUMBER = re.compile(r"-(\d{1,6})\.py$", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
"""Control characters other than Python's white space; JSON encodes each with six bytes."""


class SubmissionError(ValueError):
    """A submitted file cannot be taken; the message names the file and the reason."""


@dataclass(frozen=True)
class Submission:
    """The controllers of one submission, and the idea behind them."""

    sources: tuple[str, ...]
    """Source texts, in the order of `files`."""
    idea: str
    """Markdown; empty if there is no idea file."""
    files: tuple[str, ...]
    """Names of the controllers' files."""

    def proposals(self, brief: Brief) -> list[Proposal]:
        """Return the controllers as proposals, at most `brief.wanted`, each with its assignment if the brief has any.

        A file whose name ends with a number, as in `controller-2.py`, answers the assignment of that number; others
        answer those that are left, in the order of their names. `idea.md` tells of a single controller, not of several.
        """
        idea = self.idea if len(self.sources) == 1 else ""
        files = self.files[: brief.wanted]
        taken: dict[str, int] = {}
        for name in files:
            number = _NUMBER.search(name)
            place = int(number[1]) - 1 if number else -1
            if 0 <= place < len(brief.roles) and place not in taken.values():
                taken[name] = place
        left = (place for place in range(len(brief.roles)) if place not in taken.values())
        places = [taken[name] if name in taken else next(left, None) for name in files]
        return [
            Proposal(source, idea, assignment=None if place is None else brief.roles[place])
            for source, place in zip(self.sources, places, strict=False)
        ]


def read_submission(folder: Path, most: int = MAX_FILES, *, lenient: bool = False) -> Submission | None:
    """Return the submission in a folder; None if it has no controller or does not exist.

    Args:
        folder: The folder. Links, pipes and devices in it are not opened.
        most: The most controllers to read; `controller.py` is the first, the others follow by name.
        lenient: Whether files that cannot be taken are left out as long as one controller can: for a folder in which
            nobody can mend them any more.

    Raises:
        SubmissionError: A file is not a regular one, is UTF-16 or UTF-32, is empty, or exceeds a limit.
    """
    names = _controller_names(folder) if folder.is_dir() else []
    sources: dict[str, str] = {}
    problem: SubmissionError | None = None
    for name in names:
        if len(sources) == most:
            break
        try:
            source = _controller(folder / name)
            if len(source) + sum(map(len, sources.values())) > MAX_TOGETHER:
                raise SubmissionError(
                    f"{folder}: the controllers have more than {MAX_TOGETHER} characters; that is the limit"
                )
            sources[name] = source
        except SubmissionError as error:
            problem = problem or error
            if not lenient:
                break
    if problem is not None and not (lenient and sources):
        raise problem
    return Submission(tuple(sources.values()), _idea(folder, lenient=lenient), tuple(sources)) if sources else None


def _controller(path: Path) -> str:
    """Return the text of a controller's file. Raises SubmissionError."""
    source = read_plain_file(path)
    if not source.strip():
        raise SubmissionError(f"{path} is empty")
    return source


def _idea(folder: Path, *, lenient: bool) -> str:
    """Return the idea in a folder; empty if there is none. Raises SubmissionError unless `lenient`."""
    path = folder / IDEA_FILE
    try:
        return read_plain_file(path).strip()[:MAX_IDEA] if path.exists() else ""
    except SubmissionError:
        if lenient:
            return ""
        raise


def journalled_submission(transcript: Transcript, event: str, brief: Brief) -> Submission | None:
    """Return the submission that the transcript holds for the brief's round and attempt; None if there is none.

    Args:
        transcript: The round's transcript; its stamp tells the submissions of several explorers apart.
        event: Name of the event under which the explorer records submissions.
        brief: Names the round and the attempt.
    """
    for recorded in reversed(transcript.events()):
        key = recorded["event"], recorded.get("round"), recorded.get("attempt")
        if key == (event, brief.round, brief.attempt) and transcript.stamp.items() <= recorded.items():
            return Submission(tuple(recorded["sources"]), recorded["idea"], tuple(recorded["files"]))
    return None


def source_text(text: str) -> str:
    """Return a submitted text as it is kept: `plain`, without control characters but Python's white space."""
    return _CONTROL.sub("", plain(text))


def _controller_names(folder: Path) -> list[str]:
    """Return the names of the controllers in a folder, `controller.py` first and the others sorted.

    Beside it `controller-draft.py` or `controller-old.py` may be left over. Raises SubmissionError.
    """
    names = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_ENTRIES:
                    raise SubmissionError(f"{folder} holds more than {MAX_ENTRIES} files; that is the limit")
                # A name that is not printable cannot be recorded in the transcript.
                if fnmatch.fnmatchcase(entry.name, CONTROLLER_FILES) and entry.name.isprintable():
                    names.append(entry.name)
    except OSError as error:
        raise SubmissionError(f"{folder} cannot be listed ({error.strerror})") from None
    return sorted(names, key=lambda name: (name != "controller.py", name))


def archive_submission(folder: Path, submission: Submission, where: str) -> None:
    """Move a submission's files to a folder below, so that they are not read again. Missing files are skipped.

    Args:
        folder: The submission folder.
        submission: Names the files.
        where: Relative path of the folder to move them to.

    Raises:
        ExplorerError: Something else than a folder stands in the way.
    """
    move_beneath(folder, (*submission.files, IDEA_FILE), where)


def read_plain_file(path: Path, limit: int = MAX_SOURCE) -> str:
    """Return the text of a regular file, with what is no plain text in it replaced (`source_text`).

    Args:
        path: The file. Links, pipes and devices are not opened.
        limit: The most bytes that are read.

    Raises:
        SubmissionError: The file is not a regular one, has more than `limit` bytes, or is UTF-16 or UTF-32.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SubmissionError(f"{path} cannot be opened as a plain file ({error.strerror})") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError(f"{path} is not a plain file")
        if status.st_size > limit:
            raise SubmissionError(f"{path} has {status.st_size} bytes, more than {limit} bytes; that is the limit")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise SubmissionError(f"{path} has more than {limit} bytes; that is the limit")
    try:
        return source_text(decode(data, replace=True))
    except TextFileError as error:
        raise SubmissionError(f"{path} {error}") from None
