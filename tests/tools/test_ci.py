"""The table and the exit code of .ci/run, in a project whose suites are three lines long."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = """
setup-dev: ; @:
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


def ci(project: Path, *suites: str, **variables: str) -> tuple[int, list[str], str]:
    """The exit code, the lines of the table and what follows them, and all that was printed before."""
    done = subprocess.run(
        [".ci/run", *suites],
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(project),
            "AUTOTTS_CI_CACHE": str(project / "cache"),
            "AUTOTTS_PUBLISHED": "",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    printed, _, table = done.stdout.partition("######## summary")
    return done.returncode, table.splitlines()[1:], printed


def python(project: Path, script: str) -> None:
    """What suites find as the environment's Python."""
    path = project / ".venv/bin/python"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_all_passed(project: Path) -> None:
    code, table, _ = ci(project, "test", "run")
    assert code == 0
    assert [line.split()[:2] for line in table] == [["test", "passed"], ["run", "passed"]]
    assert table[0].endswith("3 passed, 1 warning in 0.12s")
    assert table[1].endswith("frontier: 4 points")


def test_a_failure_keeps_no_other_suite_from_running(project: Path) -> None:
    code, table, _ = ci(project, "test", "lint", "run")
    assert code == 1
    assert table[0].startswith("test        passed ")
    assert table[1].startswith("lint        FAILED ")
    assert table[2].startswith("run         passed ")


def test_what_failed_in_pytest_is_named_below_the_table(project: Path) -> None:
    said = "FAILED tests/test_x.py::test_y - assert 1 == 2", "ERROR tests/test_z.py", "=== 1 failed, 1 error in 1s ==="
    python(project, "".join(f"echo '{line}'\n" for line in said) + "exit 1")
    code, table, _ = ci(project, "slow", "run")
    assert code == 1
    assert [line.split()[:2] for line in table[:2]] == [["slow", "FAILED"], ["run", "passed"]]
    assert table[2:] == ["", *said[:2]]


def test_when_time_is_up_what_runs_is_stopped_and_nothing_more_is_started(project: Path) -> None:
    # Two seconds, so that one is left for `make` however late in the first one the script comes to it.
    (project / "Makefile").write_text("test: ; @sleep 30\n")
    code, table, _ = ci(project, "test", "run", AUTOTTS_CI_SECONDS="2")
    assert code == 1
    assert table[0].startswith("test        FAILED ")
    assert re.search("stopped after [12] s: make test", table[0])
    assert table[1].startswith("run         not run ")
    assert table[1].endswith("2 s are over")


def test_a_step_of_a_suite_has_a_limit_of_its_own(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE.replace("test: ;", "test: ; @sleep 30;"))
    code, table, _ = ci(project, "test", "run", AUTOTTS_CI_SUITE_SECONDS="1")
    assert code == 1
    assert table[0].startswith("test        FAILED ")
    assert "stopped after 1 s" in table[0]
    assert table[1].startswith("run         passed ")


def test_the_model_is_prepared_while_slow_tests_wait(project: Path) -> None:
    prepare = project / "tools/real-model/prepare.sh"
    prepare.parent.mkdir()
    prepare.write_text('#!/bin/sh\nmkdir -p "$1"\necho "call $(wc -l <calls)"\necho >>calls\n')
    prepare.chmod(0o755)
    (project / "calls").touch()
    python(project, 'while [ ! -s calls ]; do sleep 0.1; done; echo "$* with $AUTOTTS_REAL_MODEL"')
    code, table, printed = ci(project, "slow", "vllm")
    assert code == 0
    assert [line.split()[:2] for line in table] == [["slow", "passed"], ["vllm", "passed"]]
    *_, said, first, second, tested, _ = printed.splitlines()
    assert (said, first, second) == ("prepared ahead:", "call 0", "call 1")
    assert tested.endswith(f"-m vllm with {project}/.cache/autotts/real-model")
    # Nobody but its suite needs it.
    (project / "calls").write_text("")
    python_of = project / ".venv/bin/python"
    python_of.write_text("#!/bin/sh\nsleep 1\n")
    assert ci(project, "slow")[0] == 0
    assert (project / "calls").read_text() == ""


def test_a_suite_that_cannot_run_here_says_why_and_is_no_failure(project: Path) -> None:
    code, table, _ = ci(project, "published", "test")
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
    assert "started\n" in iter(running.stdout.readline, "")
    os.killpg(running.pid, signal.SIGTERM)
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert printed.splitlines()[-1] == "test        interrupted"


def test_a_suite_that_does_not_exist(project: Path) -> None:
    assert ci(project, "test", "tests")[0] == 2


@pytest.mark.parametrize("code", [1, 2, 5])
def test_whatever_pytest_says_but_success_is_a_failure(project: Path, code: int) -> None:
    """5 is what pytest answers when no test was collected."""
    python(project, f'echo "$@"; exit {code}')
    status, table, _ = ci(project, "slow")
    assert status == 1
    assert table[0].startswith("slow        FAILED ")
    assert "--no-skips" in table[0].split()
    assert " -m slow and not (docker or " in table[0]
