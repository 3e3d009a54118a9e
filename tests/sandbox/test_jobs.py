"""Jobs: processes that share an evaluation's repeats."""

import multiprocessing
import os
from pathlib import Path

import pytest

from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.playing import Settings
from tests import grids
from tests.sandbox.test_controllers import PATIENT


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        Candidate.parse("sc"), (str(grids.write(tmp_path / "small.parquet", grids.rows())),), (0.5,), 8, frozenset()
    )


def _cores_of_jobs(plan: Plan, jobs: int) -> list[set[int]]:
    with Evaluator(Settings(limits=PATIENT), sandbox="process", jobs=jobs) as evaluator:
        assert set(evaluator.evaluate([plan]).episodes.column("status").to_pylist()) == {"ok"}
        return [os.sched_getaffinity(child.pid) for child in multiprocessing.active_children() if child.pid]


def test_jobs_that_fill_all_cores_keep_to_one_each(plan: Plan) -> None:
    allowed = os.sched_getaffinity(0)
    cores = _cores_of_jobs(plan, max(2, len(allowed)))
    assert all(len(own) == 1 for own in cores)
    assert set().union(*cores) <= allowed
    assert len(set().union(*cores)) == min(len(cores), len(allowed))


def test_jobs_stay_free_where_there_are_cores_to_spare(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, real = os.sched_getaffinity(0), os.sched_getaffinity
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: real(pid) if pid else allowed | {1001, 1002, 1003})
    assert all(own == allowed for own in _cores_of_jobs(plan, 2))
