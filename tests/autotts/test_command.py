"""`python -m autotts` and the console script, in a folder whose files have the names of our packages."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import grids

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A user's folder with files and folders that are called as ours are."""
    folder = tmp_path / "mine"
    for name in ("sandbox", "envdata"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise RuntimeError('a module of the user')\n")
    (folder / "graph.py").write_text("raise RuntimeError('a module of the user')\n")
    grids.write_worked(folder)
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The console script, as pip writes it."""
    module, name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["autotts"].split(":")
    path = tmp_path / "bin" / "autotts"
    path.parent.mkdir()
    # Guarded as pip's are: processes that play import it again.
    path.write_text(f"import sys\nfrom {module} import {name}\nif __name__ == '__main__':\n    sys.exit({name}())\n")
    return path


def run(folder: Path, *command: object) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


EVALUATE = ("evaluate", "sc", "--grid", "worked.parquet", "--betas", "0,1", "--repeats", 2)
EVALUATE += ("--sandbox", "process", "--jobs", 2, "--json")


def test_the_module_is_the_command(hostile: Path) -> None:
    assert run(hostile, "-m", "autotts", *EVALUATE).count('"status": "ok"') == 2


def test_it_starts_without_what_only_figures_need(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "autotts", "discover", "--help"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "graph.run.settings" in imported
    # Each takes about as long to import as everything else together.
    assert not imported & {"pandas", "scipy.stats", "scipy.optimize", "matplotlib"}


@pytest.mark.slow
def test_the_script_is_the_same_command(hostile: Path, script: Path) -> None:
    assert run(hostile, script, *EVALUATE).count('"status": "ok"') == 2


def test_the_process_that_reads_answers_starts_there_too(hostile: Path) -> None:
    (hostile / "pairs.csv").write_text("gold,answer\n1/2,0.5\n")
    assert " = 0.5 " in run(hostile, "-m", "autotts", "answers", "pairs.csv")


def test_a_checkout_needs_no_installation() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "autotts", "--version"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.startswith("autotts, version")
