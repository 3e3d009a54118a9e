"""Live episodes on a server that streams chat completions and can do nothing else, through the real SDK."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envdata.collect.answer_reader import Thinking
from envdata.collect.engine import CannotContinueError, CollectError, Conversation, Sampling
from envdata.episodes import Terms
from envdata.live import stream_source
from envdata.live.episode import LiveEpisode
from envdata.live.model import LiveSettings, chat_settings
from sandbox.candidate import Candidate
from sandbox.live import Solution, SolveError, Solver
from sandbox.live.api import ServerProtocol, served
from sandbox.live.solver import ProbeError, SignalError
from tests import chat_server, live_model
from tests.chat_server import Service
from tests.judge_server import JudgeState, judge_application
from tests.sandbox.live.test_judge import judge
from tests.sandbox.live.test_solving import controller

QUESTION = "What is 6 * 7?"
OPENAI = ("continuous_usage_stats", "max_tokens")
"""Fields that OpenAI's own service refuses, of those that are tried."""


@pytest.fixture(scope="module")
def chat_service() -> Iterator[tuple[str, Service]]:
    service = Service()
    with live_model.serving(chat_server.application(service)) as url:
        yield url, service


@pytest.fixture
def service(chat_service: tuple[str, Service], monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service, well behaved again."""
    monkeypatch.setattr(stream_source, "SECONDS_TO_TRY_AGAIN", 0.0)
    chat_service[1].__dict__.update(Service().__dict__)
    return chat_service[1]


Solve = Callable[..., Solution]


@pytest.fixture
def solve(chat_service: tuple[str, Service], service: Service) -> Solve:
    """Solve the question with a controller; more arguments go to the solver."""

    def solving(
        name: Any,
        beta: float = 0.5,
        *,
        interval: int = 16,
        thinking: Thinking | None = None,
        seed: int = 3,
        protocol: ServerProtocol = "auto",
        **more: Any,
    ) -> Solution:
        settings = chat_settings(interval=interval, sampling=Sampling(max_tokens=400), thinking=thinking)

        async def run() -> Solution:
            engine = served(chat_service[0], "toy", retries=0, timeout=20.0, protocol=protocol)
            async with Solver(engine, LiveSettings.of(settings), **{"sandbox": "process", **more}) as solver:
                return await solver.solve(QUESTION, name, beta, seed=seed)

        return asyncio.run(run())

    return solving


@pytest.mark.parametrize(
    "manner",
    [
        {},
        {"refuses": OPENAI, "piece": 3},
        {"completions": True, "thinks": "reasoning", "refuses": ("continuous_usage_stats",)},
        {"refuses": ("seed", "continuous_usage_stats"), "piece": 7, "usage": False, "ways": "abde"},
    ],
    ids=["vllm", "openai", "ollama", "no usage"],
)
def test_self_consistency_runs_on_every_server_that_streams(
    manner: dict[str, Any], solve: Solve, service: Service
) -> None:
    vars(service).update(manner)
    solution = solve("sc", 0.6)
    assert solution.answer == "42"
    assert solution.whole
    assert len(solution.branches) == 12
    assert solution.cost.requests == 12
    told = service.usage
    assert solution.cost.estimated == (0 if told else solution.cost.decoded)
    assert solution.cost.tokens == solution.cost.decoded
    if told:
        assert solution.cost.decoded == service.written
        assert solution.cost.prompt_tokens == 12 * len(service.requests[-1]["messages"][-1]["content"])
    assert solution.cost.wasted == 0
    assert solution.cost.probe_tokens == 0


def test_anthropics_messages_are_streamed_too(solve: Solve, service: Service) -> None:
    service.piece, service.thinks, service.ways = 5, "thinking", "abde"
    solution = solve("sc", 0.4, protocol="anthropic", thinking=Thinking())
    prompt = len(service.requests[-1]["messages"][-1]["content"])
    assert solution.answer == "42"
    assert solution.text.startswith("<think>")
    assert (solution.cost.requests, solution.cost.prompt_tokens, solution.cost.cached_tokens) == (5, 5 * prompt, 20)
    assert solution.cost.tokens == solution.cost.decoded == service.written
    assert solution.cost.estimated == 0
    service.holds_after = 8
    opened = solve(controller("episode.branch(1, probe=False)\nreturn None"), protocol="anthropic")
    assert opened.cost.tokens == 16
    assert opened.cost.estimated == opened.cost.decoded <= 40
    assert opened.cost.prompt_tokens == prompt
    service.cuts, service.holds_after = 3, None
    with pytest.raises(SolveError, match="a streamed answer broke off"):
        solve("sc", 0.0, protocol="anthropic")


@pytest.mark.parametrize("manner", [{}, {"refuses": OPENAI}], ids=["told", "estimated"])
def test_what_was_written_and_not_taken_is_waste(manner: dict[str, Any], solve: Solve, service: Service) -> None:
    vars(service).update(manner, holds_after=48)
    service.ways = "b"
    take = controller("b = episode.branch(3, probe=False)\nepisode.advance(b[:2], probe=False)\nreturn None")
    solution = solve(take)
    assert solution.cost.tokens == 5 * 16
    # How much of the others had arrived by the end depends on how busy the machine is.
    assert 5 * 16 + 3 <= solution.cost.decoded <= service.written <= 3 * 48
    assert solution.cost.wasted == solution.cost.decoded - 5 * 16
    assert solution.cost.estimated == (solution.cost.decoded if manner else 0)
    deadline = time.monotonic() + 20
    while service.left < 3:
        assert time.monotonic() < deadline, "the end of the episode closes its streams"
        time.sleep(0.01)
    assert [branch.tokens for branch in solution.branches] == [32, 32, 16]
    assert solution.branches[2].text == live_model.way("b", 6, 7)[:16]


def test_pruning_closes_a_stream_and_finishing_reads_on(solve: Solve, service: Service) -> None:
    lines = "a, b = episode.branch(2, probe=False)\nassert a.answer is None\nepisode.prune(a)\nepisode.finish(b)\n"
    solution = solve(controller(lines + "return b.answer"))
    assert solution.answer is not None
    assert [branch.pruned for branch in solution.branches] == [True, False]
    assert [branch.finished for branch in solution.branches] == [False, True]
    assert solution.cost.tokens == 16 + solution.branches[1].tokens
    assert solution.cost.tokens + solution.cost.wasted == solution.cost.decoded


def test_step_by_step_a_branch_is_what_it_is_read_whole(solve: Solve, service: Service) -> None:
    steps = "b = episode.branch(4, probe=False)\nwhile live := [x for x in b if x.active]:\n"
    steps += "    episode.advance(live, probe=False)\nreturn majority(x.answer for x in b)"
    stepped = solve(controller(steps))
    read = solve(controller("b = episode.read(4)\nreturn majority(x.answer for x in b)"))
    assert stepped.branches == read.branches
    assert stepped.answer == read.answer
    assert stepped.cost.tokens == read.cost.tokens


def test_a_budget_is_kept(solve: Solve, service: Service) -> None:
    whole = solve("sc", 0.6)
    budget = sum(branch.tokens for branch in whole.branches[:3]) + 20
    read = controller("for _ in range(9):\n    episode.read(1)\nreturn majority(x.answer for x in episode.branches)")
    with pytest.raises(SolveError, match="BudgetExceeded") as failed:
        solve(read, terms=Terms(budget=budget))
    assert failed.value.solution.cost.tokens == budget
    assert [branch.finished for branch in failed.value.solution.branches] == [True, True, True, False]
    assert service.requests[-1]["max_tokens"] == 21, "more than the budget is not asked for"
    finish = controller("b = episode.branch(4, probe=False)\nepisode.finish(b)\nreturn b[0].answer")
    assert solve(finish, terms=Terms(budget=budget)).cost.tokens == budget


def test_whoever_probes_is_told_what_that_needs(solve: Solve, service: Service) -> None:
    with pytest.raises(ProbeError, match=r"cmc probes branches.* sc, asc, esc, first_finished, consol, and"):
        solve("cmc")
    with pytest.raises(SolveError, match=r"NoProbe: .* asks for probes, .* give probe=False"):
        solve(controller("opening = episode.branch\nopening(2)"))
    caught = "try:\n    episode.branch(2)\nexcept NoProbe:\n    b = episode.branch(1, probe=False)\n"
    caught += "try:\n    episode.probe(b)\nexcept NoProbe:\n    episode.finish(b)\nreturn b[0].answer"
    assert solve(controller(caught)).cost.requests == 1
    # A branch that ends with its first interval needs no probe.
    assert solve(controller("b = episode.branch(3)\nreturn b[0].answer"), interval=400).answer is not None


def test_deepconf_runs_where_log_probabilities_are_told(solve: Solve, service: Service) -> None:
    with pytest.raises(SignalError, match="token_confidence"):
        solve("deepconf")
    service.logprobs = True
    solution = solve("deepconf")
    assert solution.answer == "42"
    assert service.requests[-1]["top_logprobs"] == 20
    solve("sc", 0.0)
    assert "logprobs" not in service.requests[-1], "they are work for the server"


@pytest.mark.parametrize("thinking", [None, Thinking()], ids=["unnamed", "named"])
def test_reasoning_is_text_of_the_trace_and_no_answer(
    thinking: Thinking | None, solve: Solve, service: Service
) -> None:
    service.thinks, service.ways = "reasoning_content", "b"
    solution = solve("sc", 0.0, thinking=thinking)
    assert solution.text == f"<think>{live_model.way('b', 6, 7).partition(chr(10))[0]}\n</think>It is \\boxed{{42}}."
    assert solution.answer == "42"
    assert solution.cost.tokens == service.written


def test_a_judge_is_not_shown_reasoning_that_the_server_sends_apart(solve: Solve, service: Service) -> None:
    service.thinks, service.ways = "reasoning_content", "b"
    state = JudgeState()
    with live_model.serving(judge_application(state)) as url:
        solution = solve("best_of:branches=1", judge=judge(url))
    assert solution.cost.judge_requests == 1
    (asked,) = state.asked
    assert "<solution>\nIt is \\boxed{42}.\n</solution>" in asked["messages"][0]["content"]


def test_an_episode_that_is_cancelled_in_its_first_call_is_seen_with_what_it_took(
    chat_service: tuple[str, Service], service: Service
) -> None:
    service.holds_after, seen = 3, list[LiveEpisode]()
    ask = LiveSettings.of(chat_settings(interval=16, sampling=Sampling(max_tokens=400)))

    async def leave() -> None:
        engine = served(chat_service[0], "toy", retries=0, timeout=20.0)
        async with Solver(engine, ask, sandbox="process") as solver:
            solving = asyncio.ensure_future(solver.solve(QUESTION, "sc", 0.0, watch=seen.append))
            while service.written < 3:
                await asyncio.sleep(0.01)
            solving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await solving

    asyncio.run(asyncio.wait_for(leave(), 60))
    assert seen[-1].source.traces.requests == 1


@pytest.mark.parametrize("protocol", ["auto", "anthropic"])
def test_a_key_that_cannot_be_sent_is_not_shown(
    protocol: ServerProtocol, chat_service: tuple[str, Service], service: Service
) -> None:
    async def start() -> None:
        engine = served(chat_service[0], "toy", api_key="sk-hidden\r", retries=0, protocol=protocol)
        async with Solver(engine, LiveSettings.of(chat_settings())):
            pass

    with pytest.raises(CollectError, match="the key cannot be sent") as error:
        asyncio.run(start())
    assert "hidden" not in str(error.value)


def test_thinking_that_is_not_shown_is_charged(solve: Solve, service: Service) -> None:
    service.hidden, service.refuses = 100, OPENAI
    solution = solve(controller("b = episode.branch(2, probe=False)\nepisode.finish(b)\nreturn b[0].answer"))
    assert solution.cost.tokens == solution.cost.decoded == service.written + 2 * 100


def test_a_stream_that_breaks_off_is_requested_again_before_it_was_used(solve: Solve, service: Service) -> None:
    service.cuts = 1
    solution = solve("sc", 0.0)
    assert solution.answer is not None
    assert solution.cost.requests == 2
    assert solution.cost.wasted == service.written - solution.branches[0].tokens > 0


def test_prompt_and_answer_fit_the_context_together(solve: Solve, service: Service) -> None:
    asked = LiveSettings.of(chat_settings()).asked(QUESTION)
    assert isinstance(asked, Conversation)
    service.context, service.ways = len(asked.user) + 200, "b"
    assert solve("sc", 0.0).answer == "42"
    assert service.requests[-1]["max_tokens"] == 200


def test_a_server_that_can_do_nothing_is_refused(chat_service: tuple[str, Service], service: Service) -> None:
    service.refuses = ("messages",)

    async def start() -> None:
        async with Solver(served(chat_service[0], "toy", retries=0), LiveSettings.of(chat_settings())):
            pass

    with pytest.raises(CannotContinueError, match=r"chat model and not supported.*streams no chat completions"):
        asyncio.run(start())


def test_the_shipped_controllers_that_never_probe_are_told_by_their_source() -> None:
    assert not Candidate.parse("first_finished").asks_probes
    assert Candidate.parse("surge").asks_probes
