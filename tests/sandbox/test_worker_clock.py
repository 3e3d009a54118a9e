"""Limits on a worker's time are limits on what it does, not on how busy the machine is."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.backends.base import Backend, Limits
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.candidate import Candidate
from sandbox.conformance.case import SOLVER
from sandbox.conformance.playing import play
from sandbox.conformance.targets import Targets, make_targets
from sandbox.host import InfrastructureError
from sandbox.status import Status
from sandbox.worker_clock import LOOK_SECONDS, ClockReading, WorkerClock

LIMITS = Limits(reply_seconds=10.0, repeat_seconds=30.0)


def looked(clock: WorkerClock, looks: list[tuple[float, float]], now: float = 0.0) -> str | None:
    """What a clock says after looks at a worker: wall seconds since the last one, processor seconds used since."""
    used, passed = clock.used, None
    for wall, more in looks:
        now += wall
        assert clock.ask(now) is False
        assert clock.ask(now) is None
        glance = clock.take(ClockReading(used + more, used + more, 0.0), now)
        if clock.ask(now) is None:
            used, passed = used + more, glance
            if passed is not None:
                break
            continue
        share = 0.02 * min(1.0, more / wall)
        passed = clock.take(ClockReading(used + more - share, used + more, 0.02), now)
        used += more
        if passed is not None:
            break
    return passed


def closely(clock: WorkerClock, now: float) -> None:
    """A glance that makes it suspect, and the beginning of a close look."""
    assert clock.ask(now) is False
    assert clock.take(ClockReading(0.0, 0.0, 0.0), now) is None
    assert clock.ask(now) is True


def begun(limits: Limits = LIMITS) -> WorkerClock:
    clock = WorkerClock(limits, 0.0)
    clock.begin_turn(0.0)
    return clock


@given(st.lists(st.floats(1.5, 500), max_size=60), st.floats(0.15, 1))
def test_a_worker_that_wants_to_run_is_charged_for_what_it_used_alone(walls: list[float], share: float) -> None:
    """However long it waits for a processor, of which it gets `share`."""
    looks: list[tuple[float, float]] = []
    for wall in walls:
        if share * sum(walls[: len(looks) + 1]) > 9.9:
            break
        looks.append((wall, share * wall))
    assert looked(begun(), looks) is None
    assert looked(begun(), [*looks, (1.5, share), (100.0, 10.1)]) is not None


def test_a_worker_that_sleeps_is_charged_for_the_time() -> None:
    assert looked(begun(), [(1.0, 0.0)] * 10) is None
    assert "limit reply_seconds" in str(looked(begun(), [(1.0, 0.0)] * 11))


def test_sleep_and_work_of_many_turns_add_up_to_the_repeats_limit() -> None:
    clock, now = begun(), 0.0
    for turn in range(8):
        passed = looked(clock, [(1.0, 0.0)] * 4, now)
        now += 4
        assert (passed is not None) == (turn == 7), turn
        clock.end_turn(now)
        clock.begin_turn(now)
    assert "limit repeat_seconds" in str(passed)


def test_sleep_between_short_frames_adds_up_too() -> None:
    """The worker sleeps for 50 ms before each frame; the host answers at once."""
    clock, now, passed = begun(), 0.0, None
    while passed is None:
        assert now < 100
        now += 0.05
        clock.end_turn(now)
        # The host looks at its clocks when a frame has come.
        asked = clock.ask(now)
        clock.begin_turn(now + 0.0001)
        if asked is False:
            assert clock.take(ClockReading(0.001, 0.001, 0.0), now + 0.0002) is None
        elif asked:
            passed = clock.take(ClockReading(0.001, 0.001, 0.02), now + 0.02)
    assert "limit repeat_seconds" in passed


def test_a_worker_that_waits_for_the_host_is_charged_nothing() -> None:
    clock = begun()
    closely(clock, LOOK_SECONDS)
    clock.end_turn(LOOK_SECONDS)
    assert clock.take(ClockReading(0.0, 0.0, 0.02), 1000.0) is None
    for now in range(1001, 1200, 2):
        closely(clock, now)
        assert clock.take(ClockReading(0.0, 0.0, 0.02), now + 1.0) is None
    clock.begin_turn(2000.0)
    # Most of a look in which its frame lies with the host says nothing either.
    for now in range(2001, 2200, 2):
        closely(clock, now)
        clock.end_turn(now + 0.4)
        clock.begin_turn(now + 0.9)
        assert clock.take(ClockReading(0.0, 0.0, 0.02), now + 1.0) is None


def test_what_the_host_did_not_see_is_not_charged() -> None:
    """A host that is held up for minutes finds a worker asleep: it may have been waiting for the host's own answer."""
    clock = begun()
    closely(clock, 500.0)
    assert clock.take(ClockReading(0.0, 0.0, 0.02), 500.0) is None


def test_what_its_frames_cost_the_host_counts() -> None:
    clock = begun()
    clock.host = 31.0
    assert "cost the host" in str(clock.passed())


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    with make_targets() as found:
        yield found


def _statuses(
    body: str, limits: Limits, targets: Targets, backend: Backend | None = None
) -> tuple[set[Status], set[str]]:
    source = "import os, time\nfrom sandbox.tts import Controller\n" + SOLVER
    candidate = Candidate("x", source + "".join(f"        {line}\n" for line in body.splitlines()))
    played = play(backend or BubblewrapBackend(), candidate, targets.grid, limits)
    statuses = {Status(int(status)) for one in played for status in one.result.status}
    return statuses, {why for one in played for why in one.result.why.values()}


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_while_others_want_the_processors_a_candidate_has_the_processor_time_it_is_promised(targets: Targets) -> None:
    """It works for longer than the limit, by the wall, and for less, by its processor time."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8 * (os.cpu_count() or 1))]
    try:
        work = "began = time.process_time()\nwhile time.process_time() - began < 0.2: pass\n"
        found = _statuses(work + "return episode.branch(1)[0].answer", Limits(reply_seconds=0.6), targets)
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert found == ({Status.OK}, set())


@pytest.mark.slow
@pytest.mark.bubblewrap
@pytest.mark.parametrize("body", ["while True: pass", "os.read(3, 1)\nreturn None"])
def test_loops_and_waits_are_timeouts(targets: Targets, body: str) -> None:
    statuses, whys = _statuses(body, Limits(reply_seconds=0.4), targets)
    assert statuses == {Status.TIMEOUT}
    assert all("limit reply_seconds" in why for why in whys)


@pytest.mark.bubblewrap
def test_the_hosts_own_limit_is_no_score(targets: Targets) -> None:
    with pytest.raises(InfrastructureError, match="limit wall_seconds"):
        _statuses("while True: pass", Limits(reply_seconds=100.0, wall_seconds=0.5), targets)
