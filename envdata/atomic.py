"""Files that are either wholly there or not at all.

`replacing` hands out a temporary path beside the target; when the block ends well the file is flushed to the disk and
renamed over the target, and the folder is flushed too, so that a reader, or a machine that lost power, sees the old
content or the new one. When the block fails the temporary file is removed and the target stays as it was. One writer a
target is assumed: of two at once, the later rename wins whole.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder, and rename it over `target` when the block ends without error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, so that nothing that lists the folder takes a half-written file for a finished one.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(target.parent)


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` as a whole."""
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Write `content` to `target` as a whole, in UTF-8 with the line ends it has."""
    write_bytes(target, content.encode("utf-8"))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
