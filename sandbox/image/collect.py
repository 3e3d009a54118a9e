"""Runs while the image is built: copies what Python needs into a root file system of its own, and compiles bytecode.

Times of files are set to zero and bytecode is compiled with hashes instead of times, so that equal inputs give equal
layers.
"""

import compileall
import os
import py_compile
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import payload

LEFT_OUT = ("*-packages", "__pycache__", "test", "tests", "idlelib", "ensurepip", "tkinter", "turtledemo", "config-3*")
"""Of the standard library: what no controller needs."""


def collect(root: Path) -> None:
    """Fill `root`, in which the packages for candidates are already."""
    python = payload.interpreter()
    for path in python.shown:
        if path.is_dir() and (path / "os.py").exists():
            shutil.copytree(path, _into(root, path), symlinks=False, ignore=_left_out, ignore_dangling_symlinks=True)
        elif path.is_dir():
            for library in sorted(path.glob("*.so*")):
                _copy(library, _into(root, library))
        else:
            _copy(path, _into(root, path))
    for name in ("lib", "lib64"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), root / name)
    os.symlink(python.executable, root / "python")
    for name in ("dev", "proc", "sys", "tmp"):
        (root / name).mkdir(exist_ok=True)


def finish(root: Path) -> None:
    """Compile what is below `root`, and set its times."""
    by_hash = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(root, quiet=2, invalidation_mode=by_hash, stripdir=str(root), maxlevels=50)
    for path in [*root.rglob("*"), root]:
        os.utime(path, (0, 0), follow_symlinks=False)


def _left_out(folder: str, names: list[str]) -> set[str]:
    return shutil.ignore_patterns(*LEFT_OUT)(folder, names)


def _into(root: Path, path: Path) -> Path:
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        # Relative links lead to files that are copied too; others become copies of what they lead to.
        link = Path(os.readlink(source))
        if not link.is_absolute() and link.parent == Path("."):
            if not target.is_symlink():
                target.symlink_to(link)
            return
    if source.is_file():
        shutil.copyfile(source, target)
        target.chmod(0o755)


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "python":
        collect(where)
    finish(where)
