"""The table and the exit code of .ci/run, in a project whose suites are three lines long."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = """
test: ; @echo '===== 3 passed, 1 warning in 0.12s ====='
lint: ; @echo 'envdata/grid.py:1: error: no' && exit 1
run: ; @echo 'frontier: 4 points'
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (".ci/run", "tools/docker-engine.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    return tmp_path


def ci(project: Path, *suites: str) -> tuple[int, list[str]]:
    """The exit code, and the lines of the table."""
    done = subprocess.run(
        [".ci/run", *suites],
        cwd=project,
        env={"PATH": os.environ["PATH"], "AUTOTTS_CI_CACHE": str(project / "cache"), "AUTOTTS_PUBLISHED": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout.partition("######## summary")[2].splitlines()[1:]


def test_all_passed(project: Path) -> None:
    code, table = ci(project, "test", "run")
    assert code == 0
    assert [line.split()[:2] for line in table] == [["test", "passed"], ["run", "passed"]]
    assert table[0].endswith("3 passed, 1 warning in 0.12s ")
    assert table[1].endswith("frontier: 4 points")


def test_the_first_failure_stops_and_the_table_is_still_printed(project: Path) -> None:
    code, table = ci(project, "test", "lint", "run")
    assert code == 1
    assert table[0].startswith("test        passed ")
    assert table[1].startswith("lint        FAILED ")
    assert table[2].startswith("run         not run ")
    assert table[2].endswith("after the failure of lint")


def test_a_suite_that_cannot_run_here_says_why_and_is_no_failure(project: Path) -> None:
    code, table = ci(project, "published", "test")
    assert code == 0
    assert table[0].startswith("published   skipped ")
    assert table[0].endswith("AUTOTTS_PUBLISHED is not set, and ../shared/published is not there")
    assert table[1].startswith("test        passed ")


def test_an_interruption_is_in_the_table(project: Path) -> None:
    (project / "Makefile").write_text("test: ; @echo started && sleep 30\n")
    running = subprocess.Popen(
        [".ci/run", "test", "lint"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "AUTOTTS_CI_CACHE": str(project / "cache")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout
    while "started" not in running.stdout.readline():
        pass
    os.killpg(running.pid, signal.SIGTERM)
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert printed.splitlines()[-1] == "test        interrupted"


def test_a_suite_that_does_not_exist(project: Path) -> None:
    assert ci(project, "test", "tests")[0] == 2


@pytest.mark.parametrize("code", [1, 2, 5])
def test_whatever_pytest_says_but_success_is_a_failure(project: Path, code: int) -> None:
    """5 is what pytest answers when no test was collected."""
    python = project / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    python.chmod(0o755)
    status, table = ci(project, "slow")
    assert status == 1
    assert table[0].startswith("slow        FAILED ")
    assert "--no-skips" in table[0].split()
    assert " -m slow and not (docker or " in table[0]
