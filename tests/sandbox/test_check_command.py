"""`autotts sandbox check` and `build`, as they are typed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from graph.cli.sandbox import sandbox_group
from sandbox.conformance import run
from sandbox.conformance.case import Case, CaseGroup, attack
from sandbox.status import Status


@pytest.mark.bubblewrap
def test_a_table_says_what_is_proven() -> None:
    done = CliRunner().invoke(sandbox_group, ["check", "--sandbox", "bubblewrap", "--case", "feedback"])
    assert done.exit_code == 0, done.output
    assert "bubblewrap   works" in done.output
    cases = sum(case.group is CaseGroup.FEEDBACK for case in run.CASES)
    assert f"proven ({cases}/{cases})" in done.output
    assert "not tried (0/0)" in done.output


@pytest.mark.bubblewrap
def test_a_promise_that_does_not_hold_shows_in_table_and_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Case("a promise that nobody made", CaseGroup.FILES, attack(""), (Status.EXCEPTION,))
    monkeypatch.setattr(run, "CASES", (*run.CASES, broken))
    done = CliRunner().invoke(sandbox_group, ["check", "--sandbox", "bubblewrap", "--case", "nobody made"])
    assert done.exit_code == 1
    assert "NOT PROVEN (0/1)" in done.output
    assert "ok instead of exception" in done.output.replace("\n", " ")


@pytest.mark.bubblewrap
def test_one_object_a_case() -> None:
    done = CliRunner().invoke(sandbox_group, ["check", "--sandbox", "bubblewrap", "--case", "UDP", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "sandbox": "bubblewrap", "group": "network", "case": "UDP", "passed": True, "why": ""
    }  # fmt: skip


def test_no_engine_to_build_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    done = CliRunner().invoke(sandbox_group, ["build"])
    assert done.exit_code != 0
    assert "no Docker engine answers" in str(done.exception)
