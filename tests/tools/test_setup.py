"""What tools/setup.sh does before it reaches the network: choosing an interpreter, and saying why it cannot.

The rest of it is tried on a machine with nothing installed, in tests/fresh.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, and a PATH folder `bin` with the few programs it calls and no Python."""
    for name in ("pyproject.toml", "requirements.lock", "tools/setup.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname", "id", "cksum", "head", "tail", "rm", "mv", "readlink", "cat"):
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    return tmp_path


def interpreter(path: Path, version: str) -> Path:
    """An executable that answers as that version of Python does to the set-up's question, and fails in all else."""
    path.write_text(
        f"#!/bin/sh\ncase $* in *version_info*|*--version) echo {version} ;; *) echo unasked >&2; exit 9 ;; esac\n"
    )
    path.chmod(0o755)
    return path


def setup(project: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        ["tools/setup.sh", *arguments],
        cwd=project,
        env={"PATH": str(project / "bin"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_no_python_at_all(project: Path) -> None:
    code, said = setup(project, "run")
    assert code == 1
    assert "Python 3.11 or later is needed; found: none." in said
    assert "make run PYTHON=/path/to/python3" in said


def test_every_interpreter_found_is_named(project: Path) -> None:
    old = interpreter(project / "bin/python3", "3.9")
    older = interpreter(project / "bin/python", "2.7")
    code, said = setup(project, "run")
    assert code == 1
    assert f"found: {old} is Python 3.9, {older} is Python 2.7." in said


def test_the_interpreter_asked_for_is_the_only_one_considered(project: Path) -> None:
    interpreter(project / "bin/python3", "3.12")
    old = interpreter(project / "bin/python3.8", "3.8")
    code, said = setup(project, "run", PYTHON=str(old))
    assert code == 1
    assert f"found: {old} is Python 3.8." in said


def test_an_interpreter_asked_for_that_is_not_there(project: Path) -> None:
    code, said = setup(project, "run", PYTHON="/nowhere/python3")
    assert code == 1
    assert "found: none at PYTHON=/nowhere/python3." in said


@pytest.mark.parametrize(
    ("name", "version"), [("python3.12", "3.12"), ("python3.11", "3.11"), ("python3.14", "3.14"), ("python", "3.20")]
)
def test_a_recent_interpreter_is_found_behind_an_old_one_and_a_broken_one(
    project: Path, name: str, version: str
) -> None:
    interpreter(project / "bin/python3", "3.10")
    broken = interpreter(project / "bin/python3.13", "")
    broken.write_text("#!/bin/sh\nexit 127\n")
    found = interpreter(project / "bin" / name, version)
    code, said = setup(project, "run")
    assert code == 1
    # It was chosen, and asked for the module venv; this one, outside /usr/bin, is no package's.
    assert f"{found} cannot make virtual environments: unasked" in said
    assert "Name another interpreter" in said


@pytest.mark.parametrize("arguments", [(), ("",), ("everything",)])
def test_usage(project: Path, arguments: tuple[str, ...]) -> None:
    assert setup(project, *arguments) == (2, "usage: tools/setup.sh run|dev\n")


def test_a_set_up_that_is_up_to_date_starts_nothing(project: Path) -> None:
    """The stamp is what a real set-up would leave; the interpreter fails when it is asked to install."""
    (project / ".venv/bin").mkdir(parents=True)
    interpreter(project / ".venv/bin/python", "3.11")
    sums = subprocess.run(
        ["cksum", "pyproject.toml", "requirements.lock", "tools/setup.sh"], cwd=project, capture_output=True, text=True
    ).stdout
    stamp = project / ".venv/.autotts-setup"

    def left(level: str, python: str = "") -> None:
        stamp.write_text(f"{level}\n{python}\n{os.path.realpath(project)}\n{sums}")

    left("dev")
    assert setup(project, "dev") == (0, "")
    assert setup(project, "run") == (0, "")
    left("run")
    assert setup(project, "run") == (0, "")
    assert "installing .[dev]" in setup(project, "dev")[1]
    left("run", "/usr/bin/python3.12")
    assert setup(project, "run") == (0, "")
    assert setup(project, "run", PYTHON="/usr/bin/python3.12") == (0, "")
    assert "is needed" in setup(project, "run", PYTHON="/nowhere/python3")[1]
    left("run")
    (project / "pyproject.toml").write_text((project / "pyproject.toml").read_text() + "\n")
    assert "installing ." in setup(project, "run")[1]
    assert not stamp.exists(), "a set-up that failed must not pass for one that is done"
