"""What is put into a sandbox: Python, greenlet, numpy and scipy where they are installed, and a few files of ours.

Nothing else of the project or of the machine goes in: not the grids, not the host's side, not the shipped controllers,
not other packages, no shell. What is shown is listed piece by piece, because the project may be installed anywhere: in
a virtual environment below /usr, in a Python's own site-packages, in a home folder that is also Python's prefix.
"""

import importlib.util
import os
import stat
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

INSIDE = Path(__file__).parents[1]

FILES = {
    "sandbox/tts.py": INSIDE / "tts.py",
    "sandbox/branch.py": INSIDE / "branch.py",
    "sandbox/refused.py": INSIDE / "refused.py",
    "sandbox/link.py": INSIDE / "link.py",
    "sandbox/status.py": INSIDE / "status.py",
    "sandbox/voting.py": INSIDE / "voting.py",
    "sandbox/inside/__init__.py": INSIDE / "inside" / "__init__.py",
    "sandbox/inside/confinement.py": INSIDE / "inside" / "confinement.py",
    "sandbox/inside/landlock.py": INSIDE / "inside" / "landlock.py",
    "sandbox/inside/errors.py": INSIDE / "inside" / "errors.py",
    "sandbox/inside/guard.py": INSIDE / "inside" / "guard.py",
    "sandbox/inside/native.py": INSIDE / "inside" / "native.py",
    "sandbox/inside/player.py": INSIDE / "inside" / "player.py",
    "sandbox/inside/release.py": INSIDE / "inside" / "release.py",
    "sandbox/inside/special.py": INSIDE / "inside" / "special.py",
    "sandbox/inside/seccomp.py": INSIDE / "inside" / "seccomp.py",
    "sandbox/inside/wire.py": INSIDE / "inside" / "wire.py",
    "sandbox/inside/zygote.py": INSIDE / "inside" / "zygote.py",
    "sandbox/__init__.py": INSIDE / "__init__.py",
}
"""Our files, by their path in the sandbox; `envdata.actions` joins them, which both sides share."""

PACKAGES = ("greenlet", "numpy", "numpy.libs", "scipy", "scipy.libs")
"""Folders of the site-packages that candidates may import; the `.libs` ones hold the others' shared libraries."""

_SYSTEM = (Path("/usr"), Path("/usr/local"))


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs in the sandbox, behind any virtual environment, and what it needs."""

    executable: Path
    shown: tuple[Path, ...]
    """Folders and files that it needs: itself, its standard library, shared libraries."""
    hidden: tuple[Path, ...]
    """Folders below `shown` ones that must look empty."""


def files() -> dict[str, Path]:
    """Our files for the sandbox, by their path there."""
    spec = importlib.util.find_spec("envdata.actions")
    assert spec is not None  # noqa: S101 - a part of this distribution
    assert spec.origin is not None  # noqa: S101
    actions = Path(spec.origin)
    return FILES | {"envdata/actions.py": actions, "envdata/__init__.py": actions.with_name("__init__.py")}


def packages() -> dict[str, Path]:
    """The installed ones of `PACKAGES`, by name."""
    found: dict[str, Path] = {}
    for name in PACKAGES:
        for entry in sys.path:
            folder = Path(entry) / name
            if entry and folder.is_dir():
                found[name] = folder.resolve()
                break
    return found


def executable() -> Path:
    """The program of the interpreter that runs now: not that of a virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def interpreter() -> Interpreter:
    """The interpreter that runs now, and what it needs to be shown. Looks through the folders it shows."""
    program = executable()
    shown = [program, *_standard_library(), *_own_shared_libraries(), *_system_libraries()]
    if Path("/etc/ld.so.cache").is_file():
        shown.append(Path("/etc/ld.so.cache"))
    shown = [path for path in dict.fromkeys(shown) if path.exists()]
    return Interpreter(program, tuple(shown), hidden_below(shown))


def hidden_below(shown: Iterable[Path]) -> tuple[Path, ...]:
    """The folders below `shown` ones that hold other packages, this project, what is on `sys.path`, set-id programs."""
    folders = [path for path in shown if path.is_dir()]
    secret = {
        Path(entry).resolve()
        for entry in [*sys.path, *sysconfig.get_paths().values(), sys.prefix, os.getcwd()]
        if entry
    }
    secret |= {INSIDE.parent.resolve(), Path.home().resolve()}
    secret -= set(_standard_library())
    secret -= {folder / "lib-dynload" for folder in _standard_library()}
    for folder in folders:
        for pattern in ("*-packages", "python3*/*-packages"):
            secret |= {found.resolve() for found in folder.glob(pattern)}
        secret |= {program.parent for program in folder.glob("*/*") if _has_rights_of_another(program)}
    inside = (
        path for path in secret if path.is_dir() and any(path != at and path.is_relative_to(at) for at in folders)
    )
    hidden = {path for path in inside if path not in folders}
    # Below a folder that looks empty there is nothing left to hide.
    return tuple(sorted(path for path in hidden if not any(above in hidden for above in path.parents)))


def _has_rights_of_another(program: Path) -> bool:
    try:
        mode = program.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_ISUID | stat.S_ISGID))


def _standard_library() -> list[Path]:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [
        Path(os.__file__).parent,
        Path(sys.base_exec_prefix, sys.platlibdir, name),
        Path(sys.base_prefix, "lib", name),
    ]
    return list(dict.fromkeys(place.resolve() for place in places if place.is_dir()))


def _own_shared_libraries() -> list[Path]:
    """`libpython`, and for a Python that brings all its libraries along (conda, uv) the others too."""
    prefix = Path(sys.base_prefix).resolve()
    pattern = "libpython*.so*" if prefix in _SYSTEM else "*.so*"
    return [path for folder in ("lib", "lib64") for path in sorted((prefix / folder).glob(pattern)) if path.is_file()]


def _system_libraries() -> list[Path]:
    """Where the dynamic linker finds the C library: Debian's folder for this machine, or all of /usr/lib."""
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu")
    own = [Path("/usr/lib", multiarch), Path("/lib", multiarch)]
    if any((folder / "libc.so.6").exists() for folder in own):
        places = [*own, Path("/usr/lib64"), Path("/lib64")]
    else:
        places = [Path("/usr/lib64"), Path("/usr/lib"), Path("/lib64"), Path("/lib")]
    return [place for place in places if place.is_dir() and place.resolve() == place]
