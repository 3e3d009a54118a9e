"""The files of a sandbox: Python, greenlet, numpy and scipy where they are installed, and the worker's own files.

Nothing else of the project or of the machine is visible: no grids, no host code, no shipped controllers, no other
packages, no shell. The visible paths are listed one by one, because the project may be installed anywhere: in a virtual
environment below /usr, in a Python's own site-packages, in a home folder that is also Python's prefix. Of the machine's
shared libraries only those are visible that Python and the packages need: whether a page of a file that nobody else
reads is in the kernel's cache is a bit that one candidate can leave to the next.
"""

import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.backends import libraries

INSIDE = Path(__file__).parents[1]

FILES = {
    "sandbox/tts.py": INSIDE / "tts.py",
    "sandbox/branch.py": INSIDE / "branch.py",
    "sandbox/signals.py": INSIDE / "signals.py",
    "sandbox/action_errors.py": INSIDE / "action_errors.py",
    "sandbox/link.py": INSIDE / "link.py",
    "sandbox/status.py": INSIDE / "status.py",
    "sandbox/voting.py": INSIDE / "voting.py",
    "sandbox/inside/__init__.py": INSIDE / "inside" / "__init__.py",
    "sandbox/inside/confinement.py": INSIDE / "inside" / "confinement.py",
    "sandbox/inside/landlock.py": INSIDE / "inside" / "landlock.py",
    "sandbox/inside/errors.py": INSIDE / "inside" / "errors.py",
    "sandbox/inside/constraints.py": INSIDE / "inside" / "constraints.py",
    "sandbox/inside/controller_runner.py": INSIDE / "inside" / "controller_runner.py",
    "sandbox/inside/player.py": INSIDE / "inside" / "player.py",
    "sandbox/inside/relay.py": INSIDE / "inside" / "relay.py",
    "sandbox/inside/autotts_release.py": INSIDE / "inside" / "autotts_release.py",
    "sandbox/inside/scipy_special.py": INSIDE / "inside" / "scipy_special.py",
    "sandbox/inside/seccomp.py": INSIDE / "inside" / "seccomp.py",
    "sandbox/inside/wire.py": INSIDE / "inside" / "wire.py",
    "sandbox/inside/zygote.py": INSIDE / "inside" / "zygote.py",
    "sandbox/__init__.py": INSIDE / "__init__.py",
}
"""The worker's files by their path in the sandbox; `files()` adds `envdata.actions`, which both sides share."""

PACKAGES = ("greenlet", "numpy", "numpy.libs", "scipy", "scipy.libs")
"""Folders of site-packages that candidates may import; the `.libs` ones hold shared libraries of the others."""

LEFT_OUT = (
    *("*-packages", "test", "tests", "idlelib", "ensurepip", "lib2to3", "pydoc_data", "tkinter", "turtledemo"),
    "config-3*",
)
"""Folders of the standard library that are left out, because no controller needs them."""

_UNUSED = ("_tkinter", "_curses", "readline", "_dbm", "_gdbm", "nis")
"""Name prefixes of the standard library's extension modules whose shared libraries are left out."""


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs in the sandbox, and the files that it needs."""

    executable: Path
    """Its program, not that of a virtual environment."""
    shown: tuple[Path, ...]
    """Visible folders and files: the program, the standard library, and `libraries`."""
    libraries: tuple[Path, ...]
    """Shared libraries that it and the packages for candidates need, with the loader."""
    hidden: tuple[Path, ...]
    """Folders below `shown` folders that must appear empty."""

    @property
    def library_option(self) -> str:
        """Return the zygote's option that makes only these shared libraries readable."""
        return "--libraries=" + ":".join(map(str, self.libraries))

    @property
    def library_folders(self) -> list[Path]:
        """Return the folders of the libraries, without those that hold other visible files."""
        folders = {path.parent for path in self.libraries}
        kept = [path for path in self.shown if path not in self.libraries]
        return sorted(folder for folder in folders if not any(path.is_relative_to(folder) for path in kept))


def files() -> dict[str, Path]:
    """Return the worker's files by their path in the sandbox."""
    spec = importlib.util.find_spec("envdata.actions")
    assert spec is not None  # noqa: S101 - a part of this distribution
    assert spec.origin is not None  # noqa: S101
    actions = Path(spec.origin)
    return FILES | {"envdata/actions.py": actions, "envdata/__init__.py": actions.with_name("__init__.py")}


def packages() -> dict[str, Path]:
    """Return the folders of the installed `PACKAGES`, by name."""
    found: dict[str, Path] = {}
    for name in PACKAGES:
        for entry in sys.path:
            folder = Path(entry) / name
            if entry and folder.is_dir():
                found[name] = folder.resolve()
                break
    return found


def content_hash(contents: Mapping[str, bytes], prefix: str = "") -> str:
    """Return the SHA-256 of `prefix` and of files given as content by name, in hexadecimal."""
    digest = hashlib.sha256(prefix.encode())
    for name, data in sorted(contents.items()):
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def executable() -> Path:
    """Return the program of the running interpreter, not that of a virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def interpreter(candidates: Iterable[Path] | None = None) -> Interpreter:
    """Return the running interpreter and the files that it needs; searches the folders.

    Args:
        candidates: Folders of the packages that candidates may import; `packages()` if None.
    """
    program, standard = executable(), _standard_library()
    folders = list(packages().values() if candidates is None else candidates)
    extensions = [path for folder in standard for path in folder.glob("lib-dynload/*.so")]
    extensions = [path for path in extensions if not path.name.startswith(_UNUSED)]
    extensions += [path for folder in folders for path in folder.rglob("*.so*")]
    needed = libraries.needed([program, *extensions])
    shown = [program, *standard, *needed]
    if Path("/etc/ld.so.cache").is_file():
        shown.append(Path("/etc/ld.so.cache"))
    return Interpreter(program, tuple(dict.fromkeys(shown)), tuple(needed), hidden_below(shown))


def hidden_below(shown: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders below `shown` folders to hide: other packages, this project, `sys.path`, and `LEFT_OUT`."""
    folders = [path for path in shown if path.is_dir()]
    secret = {
        Path(entry).resolve()
        for entry in [*sys.path, *sysconfig.get_paths().values(), sys.prefix, os.getcwd()]
        if entry
    }
    # Unlike `Path.home`, this does not fail for a user who has none. (The image's build runs this file by itself.)
    secret |= {INSIDE.parent.resolve(), Path(os.path.expanduser("~")).resolve()}
    secret -= set(_standard_library())
    secret -= {folder / "lib-dynload" for folder in _standard_library()}
    for folder in folders:
        for pattern in (*LEFT_OUT, "python3*/*-packages"):
            secret |= {found.resolve() for found in folder.glob(pattern)}
    inside = (
        path for path in secret if path.is_dir() and any(path != at and path.is_relative_to(at) for at in folders)
    )
    hidden = {path for path in inside if path not in folders}
    # A folder below a hidden one needs no hiding.
    return tuple(sorted(path for path in hidden if not any(above in hidden for above in path.parents)))


def _standard_library() -> list[Path]:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [
        Path(os.__file__).parent,
        Path(sys.base_exec_prefix, sys.platlibdir, name),
        Path(sys.base_prefix, "lib", name),
    ]
    return list(dict.fromkeys(place.resolve() for place in places if place.is_dir()))
