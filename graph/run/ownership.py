"""Ownership of runs: which runs this user started on this machine, and settings of others that need confirmation.

When a run starts, a note in the user's state folder records the run's folder (device, inode and the inode's birth time,
which only the kernel sets) and the hash of its `run.toml`. The note stays valid while the folder is moved within a file
system. A copied or unpacked folder and a changed `run.toml` are not the user's own: their settings that decide where
keys go, what is spent and how code is isolated must be given again.
"""

import ctypes
import hashlib
import os
import shlex
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graph.run.files import RunError, read_bytes
from graph.run.paths import RunFolder, read_json, write_json
from graph.run.settings import SETTINGS, RunSettings
from sandbox.sanitize import printable

OPTIONS = {name: setting.flag for name, setting in SETTINGS.items() if setting.option.entrusted}
"""Command-line options of the settings that decide which servers get keys, what is spent and how code is isolated."""
ISOLATING = ("auto", "docker", "bubblewrap")
"""Sandbox backends that need no confirmation."""


def state_folder() -> Path:
    """Return the folder of the notes: `$AUTOTTS_STATE`, else `$XDG_STATE_HOME/autotts`, else `~/.local/state/autotts`.

    Raises:
        RuntimeError: The user has no home folder.
    """
    given = os.environ.get("AUTOTTS_STATE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "autotts"


def record_ownership(folder: RunFolder, *settings: bytes) -> str | None:
    """Record that this user owns the run in a folder while its `run.toml` holds one of `settings`.

    Call it before that file is written, with what it held and what it will hold, so that a kill cannot leave a run
    without its note. Returns an error message if the note cannot be written, else None.
    """
    try:
        hashes = [hashlib.sha256(each).hexdigest() for each in settings]
        note = {"made": _birth_time(folder.path), "settings": hashes, "run": str(folder.path.absolute())}
        write_json(_note(folder), note)
    except (OSError, RuntimeError) as error:
        return str(error)
    return None


def is_own(folder: RunFolder) -> bool:
    """Return whether this user started the run in a folder or confirmed its settings. False if that is unknown."""
    try:
        note, present = read_json(_note(folder)), hashlib.sha256(read_bytes(folder.settings)).hexdigest()
        made = _birth_time(folder.path)
    except (OSError, RuntimeError, RunError):
        return False
    if not isinstance(note, dict) or note.get("made") != made:
        return False
    # A list of hashes; in notes of earlier versions the text of one.
    return present in (note.get("settings") or ())


def unconfirmed_settings(folder: RunFolder, settings: RunSettings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in `OPTIONS` that another user's run sets and `given` does not confirm, by name."""
    if is_own(folder):
        return {}
    chosen = {name: getattr(settings, name) for name in OPTIONS if getattr(settings, name) != SETTINGS[name].default}
    if chosen.get("sandbox") in ISOLATING:
        del chosen["sandbox"]
    return {name: value for name, value in chosen.items() if name not in given or given[name] != value}


def check_confirmed(folder: RunFolder, settings: RunSettings, given: Mapping[str, Any]) -> None:
    """Raise RunError if another user's run has settings that `given` does not confirm, or a SQLite journal."""
    unconfirmed = unconfirmed_settings(folder, settings, given)
    if unconfirmed:
        every = unconfirmed_settings(folder, settings, {})
        again = shlex.join(["autotts", "discover", "--resume", str(folder.path), *_arguments(every)])
        raise RunError(f"{describe_choices(folder, unconfirmed)}; if you want that, give it again: {printable(again)}")
    journal = folder.checkpoints.with_name(f"{folder.checkpoints.name}-journal")
    if journal.exists() and not is_own(folder):
        # SQLite deletes the file that such a journal names, wherever it is.
        raise RunError(f"{journal} is the rest of another's write, and is not read; remove it, and resume again")


def describe_choices(folder: RunFolder, chosen: Mapping[str, Any]) -> str:
    """Return a sentence that names the settings `chosen` by another user's run."""
    options = ", ".join(f"{OPTIONS[name]} {_text(value)}" for name, value in chosen.items())
    return printable(
        f"{folder.path} was not begun by you on this machine, or was copied or changed since, and it decides what your "
        f"keys are used for or how code is isolated: {options}"
    )


def _note(folder: RunFolder) -> Path:
    """Return the path of the note on a folder. Raises OSError, RuntimeError."""
    status = os.stat(folder.path)
    return state_folder() / "runs" / f"{status.st_dev}-{status.st_ino}.json"


def _birth_time(folder: Path) -> str | None:
    """Return the birth time of a folder's inode, `seconds.nanoseconds`, as inode numbers are reused; None if unknown.

    Linux reports it through statx(2) only, which Python does not offer.
    """
    statx = getattr(ctypes.CDLL(None), "statx", None)
    buffer = ctypes.create_string_buffer(256)
    if statx is None or statx(_AT_FDCWD, os.fsencode(folder.absolute()), 0, _STATX_BTIME, buffer) != 0:
        return None
    mask, seconds, nanoseconds = (kind.unpack_from(buffer, offset) for kind, offset in _FIELDS)
    return f"{seconds[0]}.{nanoseconds[0]:09}" if mask[0] & _STATX_BTIME else None


_AT_FDCWD, _STATX_BTIME = -100, 0x800
_FIELDS = ((struct.Struct("=I"), 0), (struct.Struct("=q"), 80), (struct.Struct("=I"), 88))
"""Types and offsets in `struct statx` of stx_mask, stx_btime.tv_sec and stx_btime.tv_nsec."""


def _arguments(chosen: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in chosen.items():
        for each in value if name == "explorers" else [value]:
            words += [OPTIONS[name], _text(each)]
    return words


def _text(value: Any) -> str:
    return ",".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
