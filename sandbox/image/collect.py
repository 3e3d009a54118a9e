"""Runs while the image is built: copies Python and its libraries into a new root file system, and compiles bytecode.

Times of files are set to zero, and bytecode is checked by hash instead of time, so that equal inputs give equal
layers.
"""

import compileall
import os
import py_compile
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sandbox.backends import payload


def collect(root: Path) -> None:
    """Copy Python and its libraries into `root`, which holds the packages for candidates already."""
    python = payload.interpreter(root / "autotts" / name for name in payload.PACKAGES)
    for path in python.shown:
        if path.is_dir():
            left_out = shutil.ignore_patterns(*payload.LEFT_OUT, "__pycache__")
            shutil.copytree(path, _into(root, path), ignore=left_out, ignore_dangling_symlinks=True)
        else:
            shutil.copyfile(path, _into(root, path))
            _into(root, path).chmod(0o755)
    for name in ("lib", "lib64"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), root / name)
    os.symlink(python.executable, root / "python")
    for name in ("dev", "proc", "sys", "tmp"):
        (root / name).mkdir(exist_ok=True)


def finish(root: Path) -> None:
    """Compile all Python files below `root`, and set all times to zero."""
    by_hash = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(root, quiet=2, invalidation_mode=by_hash, stripdir=str(root), maxlevels=50)
    for path in [*root.rglob("*"), root]:
        os.utime(path, (0, 0), follow_symlinks=False)


def _into(root: Path, path: Path) -> Path:
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


if __name__ == "__main__":
    step, root_folder = sys.argv[1], Path(sys.argv[2])
    if step == "python":
        collect(root_folder)
    finish(root_folder)
