"""The Python environment of a framework: this one, or that of an interpreter that the user names.

`OPENEVOLVE_PYTHON`, `GEPA_PYTHON` and `SHINKA_PYTHON` name the interpreter of a virtual environment, for a framework
whose requirements contradict this project's. The framework runs in the confinement, which shows it the interpreter and
the packages, read-only.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graph.explorers.agents.confinement import PACKAGES
from graph.explorers.base import ExplorerError

OWN_PACKAGES = ("autotts", "envdata", "graph", "sandbox")
"""Packages of this project, which hold grids; they are not shown where they are installed among the others."""
SCRIPT = """
import importlib.metadata, json, os, sys
try:
    version = importlib.metadata.version(sys.argv[1])
except importlib.metadata.PackageNotFoundError:
    version = None
folders = [each for each in sys.path if os.path.basename(each) in ("site-packages", "dist-packages")]
print(json.dumps({"python": getattr(sys, "_base_executable", sys.executable), "prefix": sys.base_prefix,
                  "packages": [each for each in folders if os.path.isdir(each)], "version": version}))
"""


@dataclass(frozen=True)
class Environment:
    """An interpreter and its packages."""

    python: Path
    """The program, not that of a virtual environment."""
    packages: tuple[Path, ...]
    """Folders of its packages."""
    prefix: Path
    """Folder that its standard library is in."""
    version: str
    """Version of the framework's package."""

    @property
    def read_only(self) -> Mapping[Path, str]:
        """Folders of the host that the framework needs, and their paths in the confinement."""
        shown = {path: f"{PACKAGES}/{number}" for number, path in enumerate(self.packages)}
        # The system's Python and the running one are visible anyway.
        if self.prefix not in (Path("/usr"), Path(sys.base_prefix).resolve()):
            shown[self.prefix] = str(self.prefix)
        return shown

    @property
    def covered(self) -> tuple[Path, ...]:
        """Folders among the packages that appear empty: this project's own."""
        return tuple(path / name for path in self.packages for name in OWN_PACKAGES if (path / name).is_dir())

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables under which the interpreter finds the packages, and hashes text as it always does."""
        path = ":".join(f"{PACKAGES}/{number}" for number in range(len(self.packages)))
        return {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def find_environment(name: str, distribution: str, advice: str) -> Environment:
    """Return the environment of a framework.

    Args:
        name: The explorer's name, from which the variable's is made.
        distribution: Name of the framework's distribution.
        advice: How to install it.

    Raises:
        ExplorerError: The interpreter cannot be run, or the framework is not installed in its environment.
    """
    variable = f"{name.upper()}_PYTHON"
    python = os.environ.get(variable) or sys.executable
    try:
        # Without the user's own packages and variables, which the confinement lacks too.
        done = subprocess.run(
            [python, "-I", "-c", SCRIPT, distribution], capture_output=True, text=True, timeout=60, check=True, env={}
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ExplorerError(f"{name}: {variable}={python} is no Python that runs here ({error})") from None
    if found["version"] is None:
        raise ExplorerError(
            f"{name} needs the package {distribution}, which {python} does not have: {advice}, or name the Python of "
            f"an environment that has it with {variable}"
        )
    packages = tuple(dict.fromkeys(Path(each).resolve() for each in found["packages"]))
    return Environment(Path(found["python"]).resolve(), packages, Path(found["prefix"]).resolve(), found["version"])
