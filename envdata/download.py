"""Downloads of files over HTTP that continue after an interruption.

A download to `x.json` is kept in `x.json.part` until it is complete; `x.json.part.json` records which file the part
belongs to. When the rest is requested, the server has to name the same version (ETag or Last-Modified) and the same
size; otherwise the whole file is requested again.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import httpx2

from envdata.atomic import write_text
from envdata.json_text import parse
from envdata.printable import escaped, first_line

LARGEST = 128 << 20
"""Largest size of a file, in bytes. The known ones have a few million; parsed as JSON a file takes 20 times as much."""
TRIES = 5
"""Requests in a row that bring no bytes before a download is given up."""
SECONDS_TO_TRY_AGAIN = 0.5
"""Pause before the second try; doubled each time."""
SECONDS_OF_SILENCE = 60.0
"""Time limit for a server that sends nothing."""

Report = Callable[[int, int | None], None]
"""Called with the bytes received, and the bytes in all, None where the server does not say."""

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses that may not occur on another try."""
_NOT_THERE = (401, 403, 404, 410)
"""Statuses of a missing file; some stores forbid access to files that they do not have."""


class DownloadError(Exception):
    """A file cannot be fetched; the message names its address and the remedy. The received bytes are kept."""


class NotThereError(DownloadError):
    """The server does not have the file."""


class _CutError(Exception):
    """The connection ended before the file did, or the server is busy; the message says which."""


@dataclass(frozen=True)
class _Version:
    """The version of a file that a part belongs to."""

    url: str
    tag: str | None
    size: int | None


def client() -> httpx2.Client:
    """Return an HTTP client for `download`; close it after use."""
    headers = {"User-Agent": "autotts", "Accept-Encoding": "identity"}
    return httpx2.Client(headers=headers, follow_redirects=True, timeout=SECONDS_OF_SILENCE)


def download(
    web: httpx2.Client, url: str, target: Path, report: Report, *, sha256: str | None = None, pause: float | None = None
) -> str:
    """Download a file; return its SHA-256 in hexadecimal.

    Args:
        web: The client, from `client`.
        url: The file's address.
        target: The file to write; it appears complete or not at all.
        report: Called as bytes arrive.
        sha256: The expected SHA-256 in hexadecimal, where it is known.
        pause: Seconds before the second try; None is `SECONDS_TO_TRY_AGAIN`.

    Raises:
        DownloadError: The file cannot be fetched, is too large, or has another SHA-256.
        NotThereError: The server has no such file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with part.open("ab+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"{part} is in use: another process fetches {url}; wait for it") from None
        part_download = _Part(web, url, stream, _beside(part), report)
        try:
            promised = part_download.complete(SECONDS_TO_TRY_AGAIN if pause is None else pause)
        except DownloadError:
            if part_download.size() == 0:
                part.unlink(missing_ok=True)
            raise
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        for expected in filter(None, (sha256, promised)):
            if digest != expected:
                stream.truncate(0)
                raise DownloadError(
                    f"{url} came with the SHA-256 {digest}, and not {expected}; it was thrown away, try again"
                )
        os.replace(part, target)
    _beside(part).unlink(missing_ok=True)
    return digest


class _Part:
    """A download in progress."""

    def __init__(self, web: httpx2.Client, url: str, stream: BinaryIO, beside: Path, report: Report) -> None:
        self._web, self._url, self._stream, self._beside, self._report = web, url, stream, beside, report
        self._promised: str | None = None

    def complete(self, pause: float) -> str | None:
        """Request until the file is complete; return the SHA-256 that the server states, None where it states none."""
        failed = 0
        while True:
            before = self.size()
            try:
                self._ask(before)
                return self._promised
            except _CutError as error:
                # Progress resets the count; a server that sends nothing is given up after `TRIES` requests.
                failed = 0 if self.size() > before else failed + 1
                if failed >= TRIES:
                    raise DownloadError(
                        f"{self._url} could not be fetched ({error}); what was received is kept, and the same command "
                        "goes on from it"
                    ) from None
            time.sleep(pause * 2 ** max(0, failed - 1))

    def _ask(self, have: int) -> None:
        """Make one request for the bytes from `have` on. Raises _CutError where another try may succeed."""
        known = _read_version(self._beside)
        if have and (known is None or known.url != self._url):
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with self._web.stream("GET", self._url, headers=headers) as reply:
                self._promised = _promised(reply)
                self._take(reply, have, known)
        except httpx2.TransportError as error:
            raise _CutError(first_line(error)) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise DownloadError(f"{self._url} cannot be fetched ({first_line(error)})") from None

    def _take(self, reply: httpx2.Response, have: int, known: _Version | None) -> None:
        """Check a reply's status and headers, and receive its body."""
        if reply.url.scheme == "http" and self._url.lower().startswith("https:"):
            raise DownloadError(f"{self._url} was passed on to an address without encryption; take another source")
        status = reply.status_code
        there = _RANGE.fullmatch(reply.headers.get("Content-Range", ""))
        tag = reply.headers.get("ETag") or reply.headers.get("Last-Modified")
        if status == 206 and have and there and known and there[1] == str(have):
            now = _Version(self._url, tag, int(there[2]))
            if now != known and (now.tag != known.tag or None not in (now.size, known.size)):
                self._begin_again("the file has changed on the server")
        elif status == 416 and have:
            if there and int(there[2]) == have and known and known.size == have:
                return
            self._begin_again("the server has no such rest")
        elif status == 200:
            have, length = 0, reply.headers.get("Content-Length", "")
            now = _Version(self._url, tag, int(length) if length.isdecimal() else None)
        elif status in _NOT_THERE:
            raise NotThereError(f"{self._url} is not there ({status})")
        elif status in _PASSING:
            raise _CutError(f"the server answers {status}")
        elif have and status == 206:
            self._begin_again("the server sent another part than was asked for")
        else:
            raise DownloadError(f"{self._url} cannot be fetched: the server answers {status}")
        if reply.headers.get("Content-Encoding", "identity") not in ("", "identity"):
            raise DownloadError(f"{self._url} came compressed, though it was asked for as it is; take another source")
        self._check(now.size or 0)
        self._stream.truncate(have)
        self._stream.seek(have)
        write_text(self._beside, json.dumps(asdict(now)))
        self._receive(reply, have, now.size)

    def _receive(self, reply: httpx2.Response, have: int, size: int | None) -> None:
        """Write the body behind the first `have` bytes."""
        self._report(have, size)
        for piece in reply.iter_raw():
            self._check(have + len(piece))
            self._stream.write(piece)
            have += len(piece)
            self._report(have, size)
        self._stream.flush()
        if size is not None and have < size:
            raise _CutError(f"{have:,} of {size:,} bytes came")
        if size is not None and have > size:
            self._begin_again("more came than the server had said")

    def _check(self, size: int) -> None:
        """Raise DownloadError for a size beyond `LARGEST`."""
        if size > LARGEST:
            raise DownloadError(f"{self._url} has {size:,} bytes or more; {LARGEST:,} is the most that is fetched")

    def _begin_again(self, why: str) -> None:
        """Drop the received bytes and raise _CutError."""
        self._stream.truncate(0)
        self._beside.unlink(missing_ok=True)
        raise _CutError(why)

    def size(self) -> int:
        """Number of bytes received."""
        self._stream.flush()
        return os.fstat(self._stream.fileno()).st_size


def _beside(part: Path) -> Path:
    """Return the file that records the version of a part."""
    return part.with_name(part.name + ".json")


def _read_version(path: Path) -> _Version | None:
    """Return the recorded version, None where there is no readable one."""
    try:
        return _Version(**parse(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _promised(reply: httpx2.Response) -> str | None:
    """Return the SHA-256 that Hugging Face's servers state for large files, in the first reply before redirects."""
    for each in (*reply.history, reply):
        named = each.headers.get("X-Linked-ETag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", named):
            return str(named)
    return None


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn errors of a full or read-only disk into a DownloadError."""
    try:
        yield
    except OSError as error:
        place = f" {escaped(str(error.filename))}" if error.filename else ""
        raise DownloadError(
            f"cannot write{place} ({error.strerror}); make room, and run the same command again"
        ) from None
