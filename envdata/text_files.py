"""Text files of other people and tools: UTF-8 with or without a byte-order mark, plain or compressed by gzip."""

import gzip
import tomllib
import zlib
from pathlib import Path
from typing import Any

from envdata import decompression

GZIP = b"\x1f\x8b"
"""The first bytes of every gzip file."""
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_PACKED = (
    (b"PK\x03\x04", "a ZIP archive, as workbooks of Excel are; unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old workbook of Excel; save the sheet as CSV"),
    (b"BZh9", "compressed by bzip2; decompress it, or use gzip"),
    (b"\xfd7zXZ", "compressed by xz; decompress it, or use gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; decompress it, or use gzip"),
    (GZIP, "compressed by gzip twice; decompress it once"),
)
"""First bytes of files that hold no text, and what to do with them."""
_LOOKED_AT = 512
"""Bytes at the beginning of a file that are searched for UTF-16 without a byte-order mark."""


class TextFileError(ValueError):
    """A file is not readable text; the message says why, without the file's name."""


def read_text(path: Path) -> str:
    r"""Return the text of a file, with \n as its line ends.

    Raises:
        TextFileError: The file is not UTF-8 text, or inflates beyond its limit.
        OSError: The file cannot be read.
    """
    return decode(read_bytes(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises TextFileError for a file that is not TOML, else as `read_text`."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise TextFileError(str(error)) from None
    except RecursionError:
        raise TextFileError("it is nested too deeply to be read") from None


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, inflated if gzip compressed it, whatever its name. Raises as `read_text`."""
    with path.open("rb") as stream:
        if stream.read(len(GZIP)) != GZIP:
            stream.seek(0)
            return stream.read()
        stream.seek(0)
        size = path.stat().st_size
        limit = decompression.inflation_limit(size)
        try:
            with gzip.GzipFile(fileobj=stream) as inflated:
                data = inflated.read(limit + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TextFileError(f"is damaged gzip ({error}); fetch or write it again") from None
    if len(data) > limit:
        raise TextFileError(decompression.limit_exceeded(size))
    return data


def decode(data: bytes, *, replace: bool = False) -> str:
    r"""Return UTF-8 text without its byte-order mark, and with \n for Windows' line ends.

    Args:
        data: The content of a file.
        replace: Whether bytes that are not UTF-8 become U+FFFD, for texts that are better damaged than lost.

    Raises:
        TextFileError: The bytes are not UTF-8; the message names UTF-16 or UTF-32 where they are recognised.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    head = data[:_LOOKED_AT]
    low, high = sorted((head[::2].count(0), head[1::2].count(0)))
    if encoding is None and high > len(head) // 4 and low < high // 4:
        # In English text in UTF-16 every second byte is 0, and the bytes between are not.
        encoding = "UTF-16"
    if packed := next((advice for mark, advice in _PACKED if data.startswith(mark)), None):
        raise TextFileError(f"is {packed}")
    if encoding is not None:
        raise TextFileError(f"is {encoding} text; save it as UTF-8")
    try:
        return data.decode("utf-8-sig", "replace" if replace else "strict").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TextFileError(f"is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
