"""Finds the shared libraries that programs need, as `ldd` does, by reading the ELF files; takes milliseconds.

An ELF file names the libraries that it needs. The names are looked up in the folders of the system and of Python;
libraries that are not found there are beside the package that needs them, as in wheels.
"""

import os
import struct
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

LOADED_BY_NAME = "libgcc_s.so.1"
"""Library that the C library loads when a stack is unwound; no ELF file names it."""

_ELF64_LITTLE_ENDIAN = b"\x7fELF\2\1"
_SEGMENT, _DYNAMIC_ENTRY = struct.Struct("<2I6Q"), struct.Struct("<2Q")
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ = 1, 5, 10
"""Structures and constants of elf(5)."""


def needed(programs: Iterable[Path]) -> list[Path]:
    """Return the shared libraries that ELF files need, directly or indirectly, and their loader.

    Each path has the name that the library is needed by, in the folder that it is really in.
    """
    found: dict[Path, None] = {}
    seen: set[str] = set()
    names = {LOADED_BY_NAME}.union(*map(asked_for, programs))
    while names:
        paths = [path for name in sorted(names) if (path := _locate(name)) is not None]
        found |= dict.fromkeys(path.parent.resolve() / path.name for path in paths)
        seen |= names
        names = set().union(*map(asked_for, paths)) - seen
    return list(found)


def asked_for(path: Path) -> set[str]:
    """Return the names of the shared libraries that an ELF file needs, and the path of its loader; empty for others."""
    try:
        with path.open("rb") as file:
            return set(_names(file.fileno()))
    except (OSError, OverflowError, KeyError, ValueError, struct.error):
        return set()


def _names(file: int) -> Iterator[str]:
    header = os.pread(file, 64, 0)
    if not header.startswith(_ELF64_LITTLE_ENDIAN):
        return
    (first,), (size, count) = struct.unpack_from("<Q", header, 32), struct.unpack_from("<2H", header, 54)
    table = os.pread(file, size * count, first)
    segments = [_SEGMENT.unpack_from(table, size * i) for i in range(count)]
    loaded = [(address, offset, length) for kind, _, offset, address, _, length, *_ in segments if kind == _PT_LOAD]
    for kind, _, offset, _, _, length, *_ in segments:
        content = os.pread(file, length, offset) if kind in (_PT_INTERP, _PT_DYNAMIC) else b""
        if kind == _PT_INTERP:
            yield content.rstrip(b"\0").decode()
        elif kind == _PT_DYNAMIC:
            entries = list(_DYNAMIC_ENTRY.iter_unpack(content))
            values = dict(entries)
            # The address of the names in memory; the segments give its offset in the file.
            at = values[_DT_STRTAB]
            (shift,) = (offset - address for address, offset, length in loaded if address <= at < address + length)
            text = os.pread(file, values[_DT_STRSZ], at + shift)
            yield from (text[name : text.index(b"\0", name)].decode() for tag, name in entries if tag == _DT_NEEDED)


def _locate(name: str) -> Path | None:
    """Return the path of a library or loader; None if it is in no folder of Python or the system."""
    return next(filter(Path.is_file, _places(name)), None)


def _places(name: str) -> Iterator[Path]:
    """Yield the possible paths of a library: the name if it is a path, else in Python's and the system's folders."""
    if "/" in name:
        yield Path(name)
        return
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu")
    for folder in ("lib", "lib64"):
        yield Path(sys.base_prefix, folder, name)
    for top in ("/usr/lib", "/lib"):
        yield from (Path(top, multiarch, name), Path(f"{top}64", name), Path(top, name))
