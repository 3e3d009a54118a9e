"""What is put into a sandbox: Python, greenlet, numpy and scipy where they are installed, and a few files of ours.

Nothing else of the project goes in: not the grids, not the host's side, not the shipped controllers.
"""

import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

INSIDE = Path(__file__).parents[1]

FILES = {
    "sandbox/tts.py": INSIDE / "tts.py",
    "sandbox/status.py": INSIDE / "status.py",
    "sandbox/inside/__init__.py": INSIDE / "inside" / "__init__.py",
    "sandbox/inside/player.py": INSIDE / "inside" / "player.py",
    "sandbox/inside/seccomp.py": INSIDE / "inside" / "seccomp.py",
    "sandbox/inside/wire.py": INSIDE / "inside" / "wire.py",
    "sandbox/inside/zygote.py": INSIDE / "inside" / "zygote.py",
    "sandbox/__init__.py": INSIDE / "__init__.py",
}
"""Our files, by their path in the sandbox; `envdata.actions` joins them, which both sides share."""

PACKAGES = ("greenlet", "numpy", "numpy.libs", "scipy", "scipy.libs")
"""Folders of the site-packages that candidates may import; the `.libs` ones hold the others' shared libraries."""


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs in the sandbox, and the folders it needs."""

    executable: Path
    prefix: Path
    hidden: tuple[Path, ...]
    """Folders below the prefix that must look empty: other packages are none of a candidate's business."""


def files() -> dict[str, Path]:
    """Our files for the sandbox, by their path there."""
    spec = importlib.util.find_spec("envdata.actions")
    assert spec is not None and spec.origin is not None  # noqa: S101 - a part of this distribution
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


def interpreter() -> Interpreter:
    """The interpreter that runs now, behind any virtual environment."""
    prefix = Path(sys.base_prefix).resolve()
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    candidates = {Path(path) for path in sysconfig.get_paths(vars={"base": str(prefix), "platbase": str(prefix)}).values()}
    candidates |= {folder for folder in prefix.glob("lib/python3*/*-packages")}
    candidates |= {folder for folder in Path("/usr").glob("*/lib/python3*/*-packages")}
    candidates |= {folder for folder in Path("/usr").glob("lib/python3*/*-packages")}
    hidden = sorted({folder.resolve() for folder in candidates if folder.name.endswith("-packages") and folder.is_dir()})
    return Interpreter(executable, prefix, tuple(folder for folder in hidden if not os.path.islink(folder)))
