"""What goes wrong live: a clear error or the majority of what there was, never a hang, never a branch left running."""

import asyncio
import time

import pytest

from envdata.collect.engine import CollectError
from sandbox.backends.base import Limits
from sandbox.live import LateError, Solution, SolveError, Solver
from sandbox.live.api import served
from sandbox.status import Status
from tests.live_model import Toy
from tests.sandbox.live.conftest import QUESTION, Solve, live_settings
from tests.sandbox.live.test_solving import controller


def _settled(toy: Toy) -> None:
    """Wait until the server has noticed who went away."""
    deadline = time.monotonic() + 10
    while toy.active and time.monotonic() < deadline:
        time.sleep(0.01)
    assert toy.active == 0


def test_a_server_that_goes_away_is_an_error_with_what_there_was(solve: Solve, toy: Toy) -> None:
    toy.gone_after = 14
    with pytest.raises(SolveError, match="cannot be reached") as failed:
        solve("sc", 0.9, retries=0, ask=live_settings(interval=8))
    assert failed.value.solution.failed_by == "model"
    toy.sampled, toy.gone_after = 0, 12
    fallen = solve("cmc", 1.0, retries=0, on_failure="majority")
    assert fallen.failed_by == "model"
    assert fallen.answer is not None
    assert fallen.cost.decoded > 0
    # The model went away in the midst of a call that stands for several; those that came before it are told.
    actions = fallen.trace.column("action").to_pylist()
    assert actions.count("BRANCH") == 8
    assert actions[-1] == "FAIL"


def test_no_answer_at_all_is_an_error_even_with_the_majority(solve: Solve, toy: Toy) -> None:
    toy.gone_after = 0
    with pytest.raises(SolveError, match="cannot be reached"):
        solve("sc", retries=0, on_failure="majority")


def test_a_server_that_is_not_there(solve: Solve) -> None:
    async def run() -> None:
        async with Solver(served("http://127.0.0.1:9/v1", "toy", retries=0), live_settings()):
            pass

    with pytest.raises(CollectError, match="cannot be reached"):
        asyncio.run(run())


def test_a_busy_server_is_asked_again(solve: Solve, toy: Toy) -> None:
    toy.busy = 3
    solution = solve("sc")
    assert solution.failed_by is None
    assert toy.sampled == len(solution.branches) + 3
    toy.busy = 1000
    with pytest.raises(SolveError, match="429"):
        solve("sc", retries=0)


def test_a_slow_server_ends_with_the_requests_time(solve: Solve, toy: Toy) -> None:
    toy.holds = True
    started = time.monotonic()
    with pytest.raises(SolveError, match=r"did not answer within 1 s") as failed:
        solve("sc", retries=4, timeout=1.0)
    assert time.monotonic() - started < 4, "what was too slow once is not asked for again"
    assert toy.sampled <= len(failed.value.solution.branches)
    toy.holds = False
    _settled(toy)


def test_an_episode_ends_in_time_and_leaves_no_branch(solve: Solve, toy: Toy) -> None:
    toy.holds = True
    with pytest.raises(SolveError, match=r"no answer within 2 s"):
        solve("sc", seconds=2.0)
    _settled(toy)
    assert toy.left >= 8
    assert not solve_ok(solve, toy).failed_by


def test_a_model_that_does_not_even_take_the_question_has_no_more_time_than_that(url: str, toy: Toy) -> None:
    async def run() -> None:
        async with Solver(served(url, "toy"), live_settings(), sandbox="process", seconds=0.5) as solver:
            toy.mute = True
            with pytest.raises(LateError, match=r"did not take the question within 0\.5 s"):
                await solver.solve("What is 11 * 11?", "sc")
            assert solver.running == 0

    asyncio.run(run())


def solve_ok(solve: Solve, toy: Toy) -> Solution:
    toy.holds = False
    return solve("sc")


def test_a_cancelled_question_leaves_no_branch(url: str, toy: Toy) -> None:
    toy.holds = True

    async def run() -> None:
        async with Solver(served(url, "toy"), live_settings(), sandbox="process") as solver:
            solving = asyncio.ensure_future(solver.solve(QUESTION, "sc"))
            while toy.active < 8:
                await asyncio.sleep(0.01)
            solving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await solving
            assert solver.running == 0

    asyncio.run(run())
    _settled(toy)
    assert toy.left >= 8


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ("b = episode.branch(4)\nraise RuntimeError('boom')", Status.EXCEPTION, "boom"),
        ("b = episode.branch(4)\nimport os\nos._exit(3)", Status.PROTOCOL_ERROR, "exit status 3"),
        ("b = episode.branch(4)\nreturn 'forty-two'", Status.CONTRACT_ERROR, "not None or an Answer"),
        ("b = episode.branch(4)\nwhile True: pass", Status.TIMEOUT, "did not act within 1.5 s"),
    ],
)
def test_a_controller_that_dies_in_the_middle(body: str, status: Status, why: str, solve: Solve, toy: Toy) -> None:
    toy.ways = "ab"
    fallen = solve(
        controller(body), limits=Limits(reply_seconds=1.5), ask=live_settings(interval=40), on_failure="majority"
    )  # fmt: skip
    assert (fallen.answer, fallen.status, fallen.failed_by) == ("42", status, "controller")
    assert why in str(fallen.why)


def test_a_controllers_death_is_an_error_unless_told_otherwise(solve: Solve) -> None:
    with pytest.raises(SolveError, match="boom") as failed:
        solve(controller("episode.branch(4)\nraise RuntimeError('boom')"))
    assert failed.value.solution.status == Status.EXCEPTION
    assert failed.value.solution.cost.decoded > 0


def test_a_file_that_does_not_compile(solve: Solve) -> None:
    with pytest.raises(SolveError, match="SyntaxError"):
        solve(controller("return ("))


def test_waiting_for_the_model_is_not_the_controllers_time(solve: Solve, toy: Toy) -> None:
    toy.seconds = 0.9
    body = "b = episode.branch(2)\nepisode.advance(b)\nepisode.finish(b)\nreturn b[0].answer"
    solution = solve(controller(body), limits=Limits(reply_seconds=0.8, repeat_seconds=1.6))
    assert solution.status == Status.OK


@pytest.mark.bubblewrap
def test_a_real_sandbox_ends_with_its_episode(solve: Solve) -> None:
    solution = solve("cmc", sandbox="bubblewrap")
    assert solution.answer == "42"
    reach = controller("import socket\nsocket.create_connection(('127.0.0.1', 80))\nreturn None")
    with pytest.raises(SolveError) as failed:
        solve(reach, sandbox="bubblewrap")
    assert failed.value.solution.failed_by == "controller"
