"""Jobs: processes that share an evaluation's repeats."""

import _multiprocessing
import errno
import multiprocessing
import multiprocessing.heap
import os
import signal
from pathlib import Path

import pytest

from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.host import InfrastructureError
from sandbox.jobs import ProcessPool
from sandbox.replay_player import EvaluationSettings, OutOfTime
from tests import grids
from tests.sandbox.test_controllers import PATIENT


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        Candidate.parse("sc"), (str(grids.write(tmp_path / "small.parquet", grids.rows())),), (0.5,), 8, frozenset()
    )


def _cores_of_jobs(plan: Plan, jobs: int) -> list[set[int]]:
    with Evaluator(EvaluationSettings(limits=PATIENT), sandbox="process", jobs=jobs) as evaluator:
        assert set(evaluator.evaluate([plan]).episodes.column("status").to_pylist()) == {"ok"}
        return [os.sched_getaffinity(child.pid) for child in multiprocessing.active_children() if child.pid]


def test_jobs_that_fill_all_cores_keep_to_one_each(plan: Plan) -> None:
    allowed = os.sched_getaffinity(0)
    cores = _cores_of_jobs(plan, max(2, len(allowed)))
    assert all(len(own) == 1 for own in cores)
    assert set().union(*cores) <= allowed
    assert len(set().union(*cores)) == min(len(cores), len(allowed))


@pytest.mark.slow
def test_jobs_stay_free_where_there_are_cores_to_spare(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, real = os.sched_getaffinity(0), os.sched_getaffinity
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: real(pid) if pid else allowed | {1001, 1002, 1003})
    assert all(own == allowed for own in _cores_of_jobs(plan, 2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_evaluation_is_given_up_when_its_time_is_over(plan: Plan, jobs: int) -> None:
    with Evaluator(EvaluationSettings(limits=PATIENT), sandbox="process", jobs=jobs) as evaluator:
        with pytest.raises(OutOfTime):
            evaluator.evaluate([plan], until=0.0)
        with pytest.raises(OutOfTime):
            evaluator.describe(plan.candidate, (0.5,), until=0.0)
        # The next one has time of its own.
        assert set(evaluator.evaluate([plan]).episodes.column("status").to_pylist()) == {"ok"}


# ---- the pool itself ---------------------------------------------------------------------------------------------


def _refuse_semaphores(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_no_semaphore_and_no_shared_memory_is_needed(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /dev/shm is read-only or absent."""
    monkeypatch.setattr(_multiprocessing, "SemLock", _refuse_semaphores)
    monkeypatch.setattr(multiprocessing.heap, "Arena", _refuse_semaphores)
    with Evaluator(EvaluationSettings(limits=PATIENT), sandbox="process", jobs=2) as evaluator:
        assert set(evaluator.evaluate([plan]).episodes.column("status").to_pylist()) == {"ok"}


class Odd(Exception):
    """One that pickle makes nothing of."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def fail(how: str) -> None:
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "left":
        os._exit(3)
    raise Odd("this", "that") if how == "odd" else ValueError("a value")


def test_what_goes_wrong_in_a_process_is_told_and_the_next_call_is_answered() -> None:
    with ProcessPool(1) as pool:
        with pytest.raises(ValueError, match="a value") as raised:
            pool.submit(fail, "plainly").result()
        assert "in fail" in "".join(raised.value.__notes__)
        with pytest.raises(RuntimeError, match="Odd: this and that"):
            pool.submit(fail, "odd").result()
        with pytest.raises(InfrastructureError, match="ended by signal 9, as the system does it for want of memory"):
            pool.submit(fail, "killed").result()
        with pytest.raises(InfrastructureError, match="ended with exit status 3"):
            pool.submit(fail, "left").result()
        assert pool.submit(abs, -7).result() == 7


def test_closing_interrupts_what_is_at_work_and_cancels_what_waits(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    pool = ProcessPool(1)
    working, waiting = pool.submit(work_on, begun), pool.submit(abs, -7)
    while not begun.exists():
        assert not working.done()
    pool.close()
    assert waiting.cancelled()
    with pytest.raises(InfrastructureError):
        working.result()
    assert begun.read_text() == "put away"
    assert multiprocessing.active_children() == []


def work_on(begun: Path) -> None:
    try:
        begun.write_text("")
        signal.pause()
    finally:
        begun.write_text("put away")


def test_each_call_has_a_process_of_its_own_where_that_is_asked_for() -> None:
    with ProcessPool(2, fresh=True) as pool:
        ids = [pool.submit(os.getpid) for _ in range(3)]
        assert len({each.result() for each in ids} | {os.getpid()}) == 4
